// SPDX-License-Identifier: Apache-2.0
//
// What personal data look like: e-mail, phone, card number (Luhn), IBAN (ISO 13616, mod 97), and
// the national numbers of national_ids.h. Bounded looks ahead, as in secret_patterns.h.
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/enrich/secret_patterns.h"

namespace llmtap {

// Is there such a thing that starts at text[at]?
Find find_personal(std::string_view text, std::size_t at);

}  // namespace llmtap
