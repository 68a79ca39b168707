// SPDX-License-Identifier: Apache-2.0
//
// How far estimates are from what providers count: every text call of the corpus that states its
// usage is estimated as if it did not, with what was learned from the calls before it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "parsers/assembly/call_fold.h"
#include "userspace/cli/interaction.h"
#include "userspace/enrich/token_estimate.h"

namespace llmtap {
namespace {

class Calls final : public RecordSink {
 public:
  void record(CallRecord&& call) override { calls.push_back(std::move(call)); }
  void management(const CallRecord&) override {}
  void not_llm(const ConnId&, const RequestHead&) override {}
  void loss(const ConnId&, LossReason, std::uint64_t) override {}

  std::vector<CallRecord> calls;
};

std::vector<CallRecord> corpus() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(LLMTAP_SHARED "/corpus")) {
    const auto name = entry.path().filename().string();
    if (name.ends_with(".jsonl.gz") && !name.starts_with("reference"))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Calls sink;
  const Limits limits;
  const ProviderNames names;
  FoldContext context{limits, names, sink, {}};
  for (const auto& file : files) {
    const auto read = read_corpus_file(file, [&](RecordedInteraction&& one) {
      Interaction whole;
      whole.request = one.request;
      whole.request_body = one.request_body;
      whole.response = one.response;
      whole.response_body = one.response_body;
      fold_interaction(context, {}, whole);
    });
    REQUIRE(read.ok());
  }
  return std::move(sink.calls);
}

bool has_media(const std::vector<Message>& messages) {
  for (const auto& message : messages) {
    for (const auto& part : message.parts) {
      if (part.kind == PartKind::kImage || part.kind == PartKind::kAudio ||
          part.kind == PartKind::kVideo || part.kind == PartKind::kFile) {
        return true;
      }
    }
  }
  return false;
}

// Tools that the provider runs: what they find becomes input that no one sees on the wire.
std::string_view tools_of(const CallRecord& call) {
  for (const auto& tool : call.tools) {
    if (!tool.wire_type.empty() && tool.wire_type != "function" && tool.wire_type != "custom") {
      return ", hosted tools";
    }
  }
  return call.tools.empty() ? "" : ", with tools";
}

struct Errors {
  std::vector<double> relative;
  double wanted = 0, got = 0;

  void add(std::uint64_t want, std::uint64_t have) {
    if (want == 0) return;
    const auto w = static_cast<double>(want), h = static_cast<double>(have);
    relative.push_back(std::abs(h - w) / w);
    wanted += w;
    got += h;
  }
  double quantile(double q) {
    if (relative.empty()) return 0;
    std::sort(relative.begin(), relative.end());
    return relative[static_cast<std::size_t>(q * static_cast<double>(relative.size() - 1))];
  }
  void print(const std::string& who, const char* side) {
    if (relative.empty()) return;
    std::printf("  %-34s %-7s %5zu calls  median %5.1f %%  p90 %6.1f %%  sum %+6.1f %%\n",
                who.c_str(), side, relative.size(), 100 * quantile(0.5), 100 * quantile(0.9),
                100 * (got - wanted) / wanted);
  }
};

TEST_CASE("token estimate: error on the corpus", "[golden]") {
  TokenEstimator estimator;
  std::map<std::string, std::pair<Errors, Errors>> rows;
  for (const auto& call : corpus()) {
    const auto& usage = call.usage;
    if (call.error || call.http_status != 200 || (!usage.input() && !usage.output())) continue;
    // Media have no size in tokens on the wire; hidden reasoning has no text.
    if (const auto guess = estimator.estimate(call); guess && !has_media(call.input)) {
      const std::string model = call.model_served.value_or(call.model_requested.value_or(""));
      const bool own = openai_encoding(model).has_value();
      const std::string kind = own ? "OpenAI models" : "others, learned";
      for (const auto& row : {kind + std::string(tools_of(call)), "  " + call.provider}) {
        if (row.starts_with("  ") && own) continue;
        auto& [input, output] = rows[row];
        if (usage.input()) input.add(*usage.input(), guess->input().value_or(0));
        // Reasoning that is counted but not shown, or only summed up, has no text either.
        bool thought = false;
        for (const auto& message : call.output) {
          for (const auto& part : message.parts) thought |= part.kind == PartKind::kReasoning;
        }
        if (usage.output_visible && !thought && usage.reasoning.value_or(0) == 0 &&
            guess->output_visible) {
          output.add(*usage.output(), guess->output().value_or(0));
        }
      }
    }
    estimator.learn(call);
  }
  REQUIRE(!rows.empty());
  for (auto& [who, errors] : rows) {
    errors.first.print(who, "input");
    errors.second.print(who, "output");
  }
  auto& [input, output] = rows["OpenAI models"];
  CHECK(input.quantile(0.5) < 0.02);
  CHECK(output.quantile(0.5) < 0.02);
  auto& [learned_input, learned_output] = rows["others, learned"];
  CHECK(learned_input.quantile(0.5) < 0.20);
  CHECK(learned_output.quantile(0.5) < 0.15);
  CHECK(rows["OpenAI models, with tools"].first.quantile(0.5) < 0.08);
  CHECK(rows["others, learned, with tools"].first.quantile(0.5) < 0.25);
}

}  // namespace
}  // namespace llmtap
