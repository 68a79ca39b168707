// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/filter_match.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/support/scratch_directory.h"
#include "tests/unit/store/store_support.h"
#include "userspace/sinks/sampling.h"

using namespace llmtap;
using namespace llmtap::test;

TEST_CASE("filter: in memory as in the store", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("s.db");
  std::vector<CallRecord> calls;
  {
    auto store = open_store(path);
    for (int i = 0; i < 30; ++i) {
      auto call = call_of(i, i % 4 == 0 ? "Wie wird das Wetter?" : "明日の天気", "It rains");
      if (i % 7 == 0) call.finish_reason.reset();
      if (i % 6 == 0) call.cost.reset();
      if (i % 3 == 0) call.timing.first_token.reset();
      call.streamed = i % 2 == 0;
      if (i % 8 == 0) call.end = End::kTruncated;
      if (i == 9) call.tools = {{"get_weather", "for a city", "{}", "function"}};
      insert(*store, call);
      calls.push_back(std::move(call));
    }
  }
  for (const char* text : {"",
                           "provider:openai",
                           "provider:o*,x",
                           "-provider:openai",
                           "model:gpt-4o*-0?",
                           "status:ok",
                           "status:error",
                           "status:429",
                           "status:4xx,2xx",
                           "-status:4xx",
                           "duration:>1s",
                           "duration:<=2000ms",
                           "ttft:>=250ms",
                           "-ttft:>1ms",
                           "cost:>0.01",
                           "cost:<0.01",
                           "-finish:stop",
                           "finish:stop stream:true",
                           "stream:false",
                           "server:false",
                           "end:truncated",
                           "input:10",
                           "output:>20",
                           "service:sh*p",
                           "service:*",
                           "id:id-7",
                           "response:resp-3",
                           "request:x",
                           "wetter",
                           "\"das wetter\"",
                           "\"wetter das\"",
                           "天気",
                           "-天気",
                           "get_weather",
                           "city",
                           "wetter provider:openai status:ok",
                           "error:rate_limit",
                           "operation:chat",
                           "session:x"}) {
    CAPTURE(text);
    std::set<std::string> stored;
    for (const auto& row : find(path, text)) stored.insert(std::to_string(row.id));
    std::set<std::string> matched;
    const auto filter = *parse_filter(text);
    for (const auto& call : calls) {
      if (matches(filter, call, summarize(call)))
        matched.insert(std::to_string(call.timing.request_start / 1000));
    }
    CHECK(matched == stored);
  }
}

TEST_CASE("filter: many stars take no time", "[unit]") {
  CallRecord call;
  call.host = std::string(5000, 'a');
  const auto filter = *parse_filter("host:*a*a*a*a*a*a*a*a*b");
  CHECK_FALSE(matches(filter, call, summarize(call)));
}

TEST_CASE("sampling: by rate and rule, errors always", "[unit]") {
  const std::vector<SamplingRule> rules = {{*parse_filter("provider:openai"), 0.25},
                                           {*parse_filter("service:batch"), 0}};
  int openai = 0, kept = 0;
  for (int i = 0; i < 4000; ++i) {
    auto call = call_of(i, "a", "b");
    call.http_status = 200;
    const bool yes = sampled(rules, call);
    CHECK(yes == sampled(rules, call));
    if (call.provider == "openai") {
      ++openai;
      kept += yes ? 1 : 0;
    } else {
      CHECK(yes);  // no rule fits
      call.process.service = "batch";
      CHECK_FALSE(sampled(rules, call));
      call.http_status = 500;
      CHECK(sampled(rules, call));
    }
  }
  CHECK(openai == 2000);
  CHECK(kept == Approx(500).margin(60));

  // Calls of one trace stay together.
  const std::vector<SamplingRule> half = {{{}, 0.5}};
  for (int trace = 0; trace < 20; ++trace) {
    std::set<bool> decisions;
    for (int i = 0; i < 10; ++i) {
      auto call = call_of(i * 5, "a", "b");
      call.trace.traceparent = "00-0af7651916cd43dd8448eb211c8031" + std::to_string(10 + trace) +
                               "-b7ad6b716920333" + std::to_string(i) + "-01";
      decisions.insert(sampled(half, call));
    }
    CHECK(decisions.size() == 1);
  }
}
