// SPDX-License-Identifier: Apache-2.0
//
// Calls into the embedded store.
#pragma once

#include <memory>
#include <string>

#include "parsers/core/result.h"
#include "userspace/sinks/queued_sink.h"
#include "userspace/store/store.h"

namespace llmtap {

Result<std::unique_ptr<RecordWriter>> open_store_writer(const std::string& path,
                                                        const Retention& retention);

// What the store keeps of a call. Pure.
StoredCall to_stored(const CallRecord& call);

}  // namespace llmtap
