// SPDX-License-Identifier: Apache-2.0
//
// Whose call it is: session and user of a request. In this order: the rules of the configuration,
// what a tracer in the process has propagated (_dd.p.llmobs_sid), the dialect's own fields (its
// parser reads them), W3C baggage, headers that clients and gateways are known to send.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"
#include "parsers/core/result.h"

namespace llmtap {

// Members of objects and, as decimal numbers, indexes of arrays, from the root on.
using JsonPath = std::vector<std::string>;

// "$.metadata.session", "$.messages[0].name", "$['x y'].z"; the Error says what was expected.
Result<JsonPath> parse_json_path(std::string_view text);

// Where an id stands: in a header, in the request's JSON, or in JSON that is a header's value.
struct IdentityRule {
  std::string header;  // lower case; empty: the body
  JsonPath json;       // empty: the whole value of the header

  bool operator==(const IdentityRule&) const = default;
};

// Asked in order; the first that finds something counts.
struct IdentityRules {
  std::vector<IdentityRule> sessions;
  std::vector<IdentityRule> users;

  bool operator==(const IdentityRules&) const = default;
};

struct Identity {
  std::string session;
  std::string user;
};

// What the rules say. `request`: as on the wire; ids that look like credentials or are longer than
// kMaxIdentity are none.
inline constexpr std::size_t kMaxIdentity = 512;
Identity apply_rules(const IdentityRules& rules, const Headers& request, const Json& body);

// Fills what is still empty in the record, from baggage and well-known headers.
void read_identity_headers(const Headers& request, CallRecord& call);

}  // namespace llmtap
