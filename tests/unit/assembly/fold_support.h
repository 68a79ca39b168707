// SPDX-License-Identifier: Apache-2.0
//
// A fold with everything it reports kept.
#pragma once

#include <string>
#include <vector>

#include "parsers/assembly/call_fold.h"

namespace llmtap::testing {

struct Reported final : RecordSink {
  void record(CallRecord&& call) override { records.push_back(std::move(call)); }
  void management(const CallRecord& call) override { managed.push_back(call); }
  void not_llm(const ConnId&, const RequestHead&) override { ++others; }
  void progress(const CallRecord& call) override { progressed.push_back(call.timing.first_token.has_value()); }
  void verdict(const ConnId&, ConnVerdict verdict) override { verdicts.push_back(verdict); }
  void loss(const ConnId&, LossReason reason, std::uint64_t bytes) override { losses.add(reason, bytes); }

  std::vector<CallRecord> records, managed;
  std::vector<bool> progressed;  // per report: was there a token yet
  std::vector<ConnVerdict> verdicts;
  LossLedger losses;
  int others = 0;
};

struct FoldBench {
  Limits limits;
  ProviderNames names;
  Reported sink;
  FoldContext context{limits, names, sink, {}};
  ConnId conn{7, 8, 9};

  CallFold fold() { return CallFold(context, conn); }
};

inline RequestHead post(std::string authority, std::string path, Headers headers = {}) {
  RequestHead head;
  head.method = "POST";
  head.authority = std::move(authority);
  head.path = std::move(path);
  head.headers = std::move(headers);
  head.headers.add("content-type", "application/json");
  return head;
}

inline ResponseHead answer(int status, std::string_view type, Headers headers = {}) {
  ResponseHead head;
  head.status = status;
  head.headers = std::move(headers);
  if (!type.empty()) head.headers.add("content-type", type);
  return head;
}

constexpr Stamp at(TimeNs begin, TimeNs end) { return {begin, end}; }

}  // namespace llmtap::testing
