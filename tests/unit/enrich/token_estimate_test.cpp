// SPDX-License-Identifier: Apache-2.0
//
// Numbers of tokens are those of tiktoken itself.
#include "userspace/enrich/token_estimate.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "userspace/enrich/tool_text.h"

namespace llmtap {
namespace {

TEST_CASE("bpe: as many tokens as tiktoken", "[unit]") {
  struct Case {
    const char* text;
    std::uint64_t cl100k, o200k;
  };
  const Case cases[] = {
      {"", 0, 0},
      {"hello world", 2, 2},
      {"'s 'S I'm we'LL don't", 10, 8},
      {"getName HTTPServer XMLs \303\200\303\211 \303\251a", 9, 10},
      {"  \n\n  x  \r\n y   ", 6, 6},
      {"\346\227\245\346\234\254\350\252\236\343\201\256\343\203\206\343\202\255\343\202\271\343"
       "\203\210 \344\270\255\346\226\207",
       10, 7},
      {"1234567 12,345.67", 9, 9},
      {"//path/to\n//", 5, 5},
      {"\360\237\216\211\360\237\216\211 "
       "\360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247",
       18, 12},
      {"\t\tif (x) {\n\t\t}\n", 9, 9},
      {"\312\260A\312\260B \312\260\312\260", 11, 11},
      {"e\314\201cole a\314\201\314\201", 6, 6},
      {"\302\240\342\200\203x", 4, 3},
      {"\307\205 D\305\276", 4, 4},
  };
  const auto cl100k = Vocabulary::built_in(Encoding::kCl100kBase);
  const auto o200k = Vocabulary::built_in(Encoding::kO200kBase);
  CHECK(cl100k.size() == 100256);
  CHECK(o200k.size() == 199998);
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(cl100k.count(c.text) == c.cl100k);
    CHECK(o200k.count(c.text) == c.o200k);
  }
  CHECK(cl100k.count(std::string(3000, 'a')) == 375);
  CHECK(o200k.count(std::string(3000, 'a')) == 375);
}

TEST_CASE("bpe: hostile texts end soon and give no more tokens than bytes", "[unit]") {
  const auto words = Vocabulary::built_in(Encoding::kO200kBase);
  std::string noise;
  std::uint32_t seed = 1;
  for (int i = 0; i < 200000; ++i) {
    seed = seed * 1664525 + 1013904223;
    noise += static_cast<char>(seed >> 24);
  }
  std::string marks;
  for (int i = 0; i < 50000; ++i) marks += i % 2 == 0 ? "\xCA\xB0" : "A";
  const std::string texts[] = {std::string(1 << 20, 'a'),
                               std::string(1 << 20, ' '),
                               std::string(1 << 20, '\n'),
                               std::string(1 << 20, '\xff'),
                               std::string(1 << 20, 'A'),
                               noise,
                               marks};
  for (const auto& text : texts) {
    const auto begin = std::chrono::steady_clock::now();
    const auto tokens = words.count(text);
    const auto took = std::chrono::steady_clock::now() - begin;
    CHECK(tokens > 0);
    CHECK(tokens <= text.size());
    // Some 50 ms; quadratic merging would take hours. Generous for a loaded machine.
    CHECK(took < std::chrono::seconds(10));
  }
}

TEST_CASE("token estimate: which vocabulary", "[unit]") {
  struct Case {
    const char* model;
    std::optional<Encoding> expected;
  };
  const Case cases[] = {
      {"gpt-4o-2024-08-06", Encoding::kO200kBase},
      {"gpt-4.1-nano", Encoding::kO200kBase},
      {"gpt-5", Encoding::kO200kBase},
      {"gpt-7-turbo", Encoding::kO200kBase},
      {"o3-mini", Encoding::kO200kBase},
      {"openai/gpt-oss-120b", Encoding::kO200kBase},
      {"gpt-4-0613", Encoding::kCl100kBase},
      {"gpt-35-turbo", Encoding::kCl100kBase},
      {"ft:gpt-3.5-turbo-0125:acme::1", Encoding::kCl100kBase},
      {"text-embedding-3-small", Encoding::kCl100kBase},
      {"claude-sonnet-4", std::nullopt},
      {"meta/gpt-4", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& c : cases) {
    CAPTURE(c.model);
    CHECK(openai_encoding(c.model) == c.expected);
  }
}

CallRecord chat(const std::string& provider, const std::string& model) {
  CallRecord call;
  call.provider = provider;
  call.model_requested = model;
  call.streamed = true;
  call.http_status = 200;
  Part part;
  part.text = "Say this is a test, please.";
  call.input.push_back({"user", {part}, {}, {}});
  part.text = "This is a test.";
  call.output.push_back({"assistant", {part}, {}, {}});
  return call;
}

TEST_CASE("token estimate: marked, and never over the wire's numbers", "[unit]") {
  TokenEstimator estimator;
  auto call = chat("openai", "gpt-4o");
  estimator.apply(call);
  CHECK(call.usage.source == Usage::Source::kEstimated);
  CHECK(call.usage.input() == 15u);  // 8 of the text, 4 of the message, 3 of the reply
  CHECK(call.usage.output() == 5u);

  auto said = chat("openai", "gpt-4o");
  said.usage.output_visible = 99;
  estimator.apply(said);
  CHECK(said.usage.source == Usage::Source::kProvider);
  CHECK(said.usage.output() == 99u);
  CHECK(!said.usage.input());

  auto failed = chat("openai", "gpt-4o");
  failed.http_status = 500;
  estimator.apply(failed);
  CHECK(failed.usage.empty());

  auto image = chat("openai", "gpt-4o");
  image.operation = Operation::kImage;
  estimator.apply(image);
  CHECK(image.usage.empty());
}

TEST_CASE("token estimate: a huge call costs no more than a large one", "[unit]") {
  TokenEstimator estimator;
  auto call = chat("openai", "gpt-4o");
  Part part;
  for (int i = 0; i < 4096; ++i) part.text += "The quick brown fox. ";  // 5 tokens
  call.input.assign(200, {"user", {part}, {}, {}});                     // 17 MB
  const auto begin = std::chrono::steady_clock::now();
  estimator.apply(call);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  const auto expected = 200.0 * 4096 * 5;
  CHECK(static_cast<double>(*call.usage.input()) == Approx(expected).epsilon(0.1));
}

// Calls are estimated on the thread that empties the kernel's ring.
TEST_CASE("token estimate: a tool with many properties costs no more than their number", "[unit]") {
  constexpr int kProperties = 40'000;
  std::string properties, required;
  for (int i = 0; i < kProperties; ++i) {
    const std::string name = "\"property" + std::to_string(i) + '"';
    properties += (i == 0 ? "" : ",") + name + R"(:{"type":"string"})";
    required = name + (i == 0 ? "" : ",") + required;
  }
  ToolDefinition tool;
  tool.name = "many";
  tool.schema =
      R"({"type":"object","properties":{)" + properties + R"(},"required":[)" + required + "]}";
  const auto before = std::chrono::steady_clock::now();
  const std::string text = tool_text({tool});
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(2));
  CHECK(text.find("property39999") != std::string::npos);
  const Param format{"response_format", R"({"json_schema":{"schema":)" + tool.schema + "}}"};
  CHECK(answer_schema_text({format}).size() >= tool.schema.size());
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(2));
}

TEST_CASE("token estimate: other vendors are learned from", "[unit]") {
  TokenEstimator estimator;
  auto before = chat("anthropic", "claude-x");
  estimator.apply(before);
  CHECK(before.usage.input() == 12u);  // a rough guess until more is known

  auto said = chat("anthropic", "claude-x");
  said.usage.input_uncached = 27;
  said.usage.output_visible = 5;
  for (int i = 0; i < 20; ++i) estimator.apply(said);
  auto after = chat("anthropic", "claude-x");
  estimator.apply(after);
  CHECK(after.usage.input() == 27u);
  auto sibling = chat("anthropic", "claude-new");  // not seen yet: its vendor's rate
  estimator.apply(sibling);
  CHECK(sibling.usage.input() == 27u);

  // An estimate teaches nothing.
  auto estimated = chat("anthropic", "claude-y");
  estimated.usage.source = Usage::Source::kEstimated;
  estimated.usage.input_uncached = 1000;
  estimator.apply(estimated);
  auto again = chat("anthropic", "claude-y");
  estimator.apply(again);
  CHECK(again.usage.input() == 27u);
}

}  // namespace
}  // namespace llmtap
