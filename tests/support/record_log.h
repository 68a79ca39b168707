// SPDX-License-Identifier: Apache-2.0
//
// A RecordSink that keeps everything.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "parsers/assembly/assembler.h"

namespace llmtap::testing {

class RecordLog final : public RecordSink {
 public:
  void record(CallRecord&& call) override { records.push_back(std::move(call)); }
  void management(const CallRecord& call) override { managed.push_back(call); }
  void not_llm(const ConnId&, const RequestHead& head) override { others.push_back(head); }
  void progress(const CallRecord&) override { ++progressed; }
  void verdict(const ConnId& conn, ConnVerdict verdict) override {
    verdicts[conn].push_back(verdict);
  }
  void loss(const ConnId&, LossReason reason, std::uint64_t bytes) override {
    losses.add(reason, bytes);
  }

  std::vector<CallRecord> records;
  std::vector<CallRecord> managed;
  std::vector<RequestHead> others;
  std::map<ConnId, std::vector<ConnVerdict>> verdicts;
  LossLedger losses;
  int progressed = 0;
};

}  // namespace llmtap::testing
