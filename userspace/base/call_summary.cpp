// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/call_summary.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace llmtap {
namespace {

bool contains(const std::string& lower_text, std::string_view word) {
  return lower_text.find(word) != std::string::npos;
}

// Vendors reuse 400 and 429 for several classes: their words decide before the status does.
std::string_view class_from_words(const CallError& error) {
  std::string words = error.type + ' ' + error.code + ' ' + error.message;
  std::transform(words.begin(), words.end(), words.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  struct Rule {
    std::string_view word;
    std::string_view name;
  };
  static constexpr std::array kRules = {
      Rule{"insufficient_quota", "quota"},
      Rule{"billing", "quota"},
      Rule{"credit balance", "quota"},
      Rule{"context_length", "context_length"},
      Rule{"context window", "context_length"},
      Rule{"maximum context", "context_length"},
      Rule{"prompt is too long", "context_length"},
      Rule{"content_filter", "content_filter"},
      Rule{"content_policy", "content_filter"},
      Rule{"overloaded", "overloaded"},
      Rule{"rate_limit", "rate_limit"},
      Rule{"throttl", "rate_limit"},
      Rule{"resource_exhausted", "rate_limit"},
  };
  for (const auto& rule : kRules) {
    if (contains(words, rule.word)) return rule.name;
  }
  return {};
}

std::string_view class_from_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return "auth";
    case 402:
      return "quota";
    case 404:
      return "not_found";
    case 408:
    case 504:
      return "timeout";
    case 429:
      return "rate_limit";
    case 503:
    case 529:
      return "overloaded";
    default:
      break;
  }
  if (status >= 500) return "server_error";
  if (status >= 400) return "invalid_request";
  return {};
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::uint64_t span(TimeNs from, TimeNs to) { return to > from ? to - from : 0; }

}  // namespace

std::string_view error_class(const CallRecord& call) {
  const int status = call.http_status.value_or(0);
  if (call.error || status >= 400) {
    if (call.error) {
      if (const auto name = class_from_words(*call.error); !name.empty()) return name;
    }
    const auto name = class_from_status(status);
    return name.empty() ? "other" : name;
  }
  switch (call.end) {
    case End::kCancelled:
      return "cancelled_by_client";
    case End::kTruncated:
      return call.http_status ? "cut_stream" : "transport";
    case End::kComplete:
    case End::kGap:
    case End::kEvicted:
      break;  // our own losses are no error of the call
  }
  return {};
}

CallSummary summarize(const CallRecord& call) {
  CallSummary row;
  row.start_ns = call.timing.request_start;
  row.duration_ns = span(call.timing.request_start, call.timing.end);
  if (call.timing.first_token) {
    row.ttft_ns = span(call.timing.request_start, *call.timing.first_token);
  }
  row.service = call.process.service;
  row.process = base_name(call.process.exe.empty() ? call.process.comm : call.process.exe);
  row.pid = call.process.pid != 0 ? call.process.pid : call.conn.tgid;
  row.provider = call.provider;
  row.dialect = call.dialect;
  row.operation = std::string(name(call.operation));
  row.model_requested = call.model_requested.value_or("");
  row.model = call.model_served.value_or(row.model_requested);
  row.host = call.host;
  row.http_status = call.http_status;
  row.error_class = std::string(error_class(call));
  if (call.error) row.error_type = call.error->type;
  row.finish_reason = call.finish_reason.value_or("");
  row.end = std::string(name(call.end));
  row.session = call.session_id;
  row.response_id = call.response_id;
  row.request_id = call.request_id;
  row.input_tokens = call.usage.input();
  row.cache_read_tokens = call.usage.cache_read;
  row.cache_write_tokens = call.usage.cache_write;
  row.output_tokens = call.usage.output();
  row.reasoning_tokens = call.usage.reasoning;
  row.tokens_estimated = call.usage.source == Usage::Source::kEstimated;
  if (call.cost) row.cost_usd = call.cost->total_usd;
  row.streamed = call.streamed;
  row.partial = call.partial;
  row.server_end = call.observed == ObservedEnd::kServer;
  return row;
}

}  // namespace llmtap
