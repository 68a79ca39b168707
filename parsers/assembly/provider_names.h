// SPDX-License-Identifier: Apache-2.0
//
// Host → vendor label ("openai", "azure_openai", "groq", ...). Data, not code: rows come from the
// configuration and are merged over the built-in ones (provider_names.cpp). Most vendors speak a
// dialect of somebody else, so the label is independent of the parser that reads the call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmtap {

// `host` is a lower-case pattern:
//   "api.openai.com"                    that host and its subdomains
//   "bedrock-runtime.*.amazonaws.com"   '*' stands for any run of characters
//   ":11434"                            any host, by port
struct ProviderName {
  std::string host;
  std::string label;

  bool operator==(const ProviderName&) const = default;
};

class ProviderNames {
 public:
  // The built-in rows.
  ProviderNames();

  // A row that is asked before all earlier ones.
  void add(ProviderName row);

  // "" if no row fits. `host` is lower case and without port. Hosts are asked before ports.
  std::string_view label(std::string_view host, std::optional<std::uint16_t> port) const;

 private:
  std::vector<ProviderName> rows_;
};

}  // namespace llmtap
