// SPDX-License-Identifier: Apache-2.0
//
// Secrets that have no form of their own, but a name in front: in headers, JSON, shells, query
// strings and configuration files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace llmtap {

// A named field: the name stays, the value goes.
enum class FieldValue : std::uint8_t {
  kToken,   // base64 and its like, with a digit or a sign: a plain word is none
  kWord,    // anything up to a blank or, if a quote stands before it, up to the next one
  kLine,    // anything up to the end of the line or a quote, with a '=' in it
  kBearer,  // kToken after a blank: "bearer" is a word of English as well
  kBasic,   // base64 of something with a colon
};
struct FieldForm {
  std::string_view name;  // lower case
  std::size_t least;      // length of the value
  FieldValue value = FieldValue::kToken;
};
// By first byte.
inline constexpr FieldForm kFields[] = {
    {"&auth", 12},
    {"&key", 16},
    {"&sig", 16},
    {"&token", 12},
    {"-token", 16},
    {"?auth", 12},
    {"?key", 16},
    {"?sig", 16},
    {"?token", 12},
    {"_token", 16},
    {"access_key", 16},
    {"accountkey", 16},
    {"api-key", 12},
    {"api_key", 12},
    {"apikey", 12},
    {"authorization", 17},  // longer than "AWS4-HMAC-SHA256"
    {"aws4-hmac-sha256", 16, FieldValue::kLine},
    {"aws_secret_access_key", 30},
    {"basic", 12, FieldValue::kBasic},
    {"bearer", 16, FieldValue::kBearer},
    {"client_secret", 12},
    {"clientsecret", 12},
    {"cookie", 6, FieldValue::kLine},
    {"passphrase", 6, FieldValue::kWord},
    {"passwd", 6, FieldValue::kWord},
    {"password", 6, FieldValue::kWord},
    {"secret", 16},
    {"secret_key", 12},
    {"secretaccesskey", 30},
    {"sessiontoken", 30},
    {"sharedaccesskey", 16},
    {"subscription-key", 16},
    {"token", 20},
    {"x-amz-credential", 16},
    {"x-amz-signature", 16},
};

}  // namespace llmtap
