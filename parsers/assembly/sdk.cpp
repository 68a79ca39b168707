// SPDX-License-Identifier: Apache-2.0
//
// What the calling library says about itself (declared in vendor_headers.h).
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>

#include "parsers/assembly/vendor_headers.h"

namespace llmtap {
namespace {

constexpr auto kNone = std::string_view::npos;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view value_of(const Headers& headers, std::string_view name) {
  return find_header(headers, name).value_or(std::string_view{});
}

bool starts_with_digit(std::string_view text) {
  return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

std::string_view next_word(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const auto end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

struct Language {
  std::string_view word;
  std::string_view name;
};

// "gl-python", "lang/python#3.12", "Python" → one word per language.
std::string language(std::string_view text) {
  constexpr std::array<Language, 17> kLanguages = {{{"python", "python"},
                                                    {"node", "js"},
                                                    {"nodejs", "js"},
                                                    {"js", "js"},
                                                    {"javascript", "js"},
                                                    {"typescript", "js"},
                                                    {"bun", "js"},
                                                    {"go", "go"},
                                                    {"golang", "go"},
                                                    {"java", "java"},
                                                    {"kotlin", "kotlin"},
                                                    {"ruby", "ruby"},
                                                    {"rust", "rust"},
                                                    {"dotnet", "csharp"},
                                                    {"csharp", "csharp"},
                                                    {"c#", "csharp"},
                                                    {"php", "php"}}};
  const std::string word = lower(text);
  for (const auto& entry : kLanguages) {
    if (entry.word == word) return std::string(entry.name);
  }
  return {};
}

// "Name/version", and Stainless' "Name/Language version" ("AsyncOpenAI/Python 1.2.3").
void read_user_agent(std::string_view agent, Sdk& sdk) {
  const std::string_view product = next_word(agent);
  const auto slash = product.find('/');
  std::string_view name = product.substr(0, slash);
  const std::string_view behind = slash == kNone ? std::string_view{} : product.substr(slash + 1);
  const std::string spoken = language(behind);
  if (!spoken.empty()) {
    if (name.starts_with("Async") && name.size() > 5) name.remove_prefix(5);
    sdk.language = spoken;
    const std::string_view version = next_word(agent);
    if (starts_with_digit(version)) sdk.version = version;
  } else {
    sdk.version = behind;
  }
  sdk.name = lower(name);
  // AWS: "Boto3/1.34.1 md/Botocore#1.34.1 ... lang/python#3.11.4"
  while (!agent.empty()) {
    const std::string_view word = next_word(agent);
    if (!word.starts_with("lang/")) continue;
    sdk.language = language(word.substr(5, std::min(word.find('#'), word.size()) - 5));
  }
}

// "google-genai-sdk/1.2.0 gl-python/3.12.1": the product and the language it runs in.
void read_goog_client(std::string_view client, Sdk& sdk) {
  bool named = false;
  while (!client.empty()) {
    const std::string_view word = next_word(client);
    const auto slash = word.find('/');
    if (word.starts_with("gl-")) {
      sdk.language = language(word.substr(3, slash == kNone ? kNone : slash - 3));
    } else if (!named && slash != kNone) {
      sdk.name = lower(word.substr(0, slash));
      sdk.version = word.substr(slash + 1);
      named = true;
    }
  }
}

}  // namespace

Sdk read_sdk(const Headers& request) {
  Sdk sdk;
  const auto agent = value_of(request, "user-agent");
  const auto goog = value_of(request, "x-goog-api-client");
  const auto amz = value_of(request, "x-amz-user-agent");
  if (!agent.empty()) read_user_agent(agent, sdk);
  const bool browser = sdk.name == "mozilla";
  if (!amz.empty() && (agent.empty() || browser)) read_user_agent(amz, sdk);
  // A product of its own (a CLI) keeps its name; a bare HTTP library does not.
  const bool product = !agent.empty() && !browser && sdk.name.find("google") == std::string::npos;
  if (!goog.empty()) {
    Sdk client;
    read_goog_client(goog, client);
    if (!product && !client.name.empty()) sdk.name = client.name, sdk.version = client.version;
    if (sdk.language.empty()) sdk.language = client.language;
  }
  const auto spoken = value_of(request, "x-stainless-lang");
  if (!spoken.empty()) sdk.language = language(spoken);
  const auto version = value_of(request, "x-stainless-package-version");
  if (!version.empty() && sdk.version.empty()) sdk.version = version;
  const auto retries = value_of(request, "x-stainless-retry-count");
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(retries.data(), retries.data() + retries.size(), count);
  if (!retries.empty() && error == std::errc{} && end == retries.data() + retries.size()) {
    sdk.retry_count = count;
  }
  return sdk;
}

TraceContext read_trace(const Headers& request) {
  TraceContext trace;
  trace.traceparent = value_of(request, "traceparent");
  trace.tracestate = value_of(request, "tracestate");
  trace.datadog_trace_id = value_of(request, "x-datadog-trace-id");
  trace.datadog_parent_id = value_of(request, "x-datadog-parent-id");
  trace.datadog_sampling_priority = value_of(request, "x-datadog-sampling-priority");
  trace.datadog_tags = value_of(request, "x-datadog-tags");
  return trace;
}

}  // namespace llmtap
