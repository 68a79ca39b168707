// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/exchange.h"

namespace llmtap {

std::optional<std::string_view> find_header(const Headers& headers, std::string_view name) {
  for (const auto& header : headers) {
    if (header.name == name) return header.value;
  }
  return std::nullopt;
}

}  // namespace llmtap
