// SPDX-License-Identifier: Apache-2.0
//
// Ids of end users, as apps send them to vendors ("user", "safety_identifier", metadata.user_id),
// replaced by a keyed hash: calls of one user stay together, who it is stays unknown. Without the
// key nobody can try out ids.
#pragma once

#include <string>

#include "parsers/core/call_record.h"
#include "parsers/core/result.h"

namespace llmtap {

class UserHash {
 public:
  explicit UserHash(std::string key) : key_(std::move(key)) {}

  // "user-" and 16 hex digits of HMAC-SHA256.
  std::string of(const std::string& id) const;
  // call.user_id and every place of the record where the request's parameters repeat it.
  void apply(CallRecord& call) const;

 private:
  std::string key_;
};

// The key of this installation: read from `file`, made (0600) if there is none.
Result<std::string> installation_key(const std::string& file);

}  // namespace llmtap
