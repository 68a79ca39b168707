// SPDX-License-Identifier: Apache-2.0
//
// National identity and tax numbers that can be told from other numbers: those with check digits
// or with a form that nothing else has. Numbers of plain digits whose check fits one number in ten
// (NL BSN, JP My Number, AU TFN) are left out: they would mask order numbers.
//
//   US SSN 123-45-6789 (SSA ranges)       FR INSEE (key mod 97)        DE Steuer-ID (ISO 7064)
//   UK NINO AB123456C (HMRC prefixes)     ES DNI, NIE (letter mod 23)  IT codice fiscale (letter)
//   BE national number (mod 97)           PL PESEL (sum, date)         FI henkilotunnus (mod 31)
//   SE personnummer (Luhn, date)          CH AHV 756 (EAN-13)          BR CPF (two digits)
//   IN Aadhaar (Verhoeff)                 CN resident id (mod 11-2)    KR RRN (date form)
//   CA SIN 123-456-789 (Luhn)
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/enrich/secret_patterns.h"

namespace llmtap {

// Is there such a number that starts at text[at], a digit or a capital?
Find find_national_id(std::string_view text, std::size_t at);

}  // namespace llmtap
