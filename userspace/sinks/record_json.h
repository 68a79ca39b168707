// SPDX-License-Identifier: Apache-2.0
//
// CallRecord → JSON, llmtap's own neutral form: `calls --json`, `tail --json`, `decode --to calls`
// and golden files. Pure. Absent fields are left out; key order is fixed and reads well.
#pragma once

#include <nlohmann/json.hpp>

#include "parsers/core/call_record.h"

namespace llmtap {

struct RecordJsonOptions {
  bool content = true;   // messages, tools, documents
  bool headers = false;  // request and response headers (credentials are never in the record)
};

nlohmann::ordered_json record_json(const CallRecord& call, const RecordJsonOptions& options = {});

}  // namespace llmtap
