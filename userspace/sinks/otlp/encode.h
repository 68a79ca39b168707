// SPDX-License-Identifier: Apache-2.0
//
// The model as bytes for OTLP/HTTP, in both encodings of the specification (OTLP 1.11). Pure.
//
// Each call gives one record for a spool, and records are joined to a request by `framing`: with
// protobuf a record is a whole request of one resource, and requests laid end to end are one
// request (repeated fields merge); with JSON it is one element of the request's only list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/sinks/otlp/model.h"

namespace llmtap::otlp {

enum class Format : std::uint8_t { kProtobuf, kJson };
enum class Signal : std::uint8_t { kTraces, kMetrics, kLogs };

inline constexpr std::string_view kScopeName = "llmtap";
inline constexpr std::string_view kScopeVersion = "0.1.0";

// Deeper containers inside a value become their JSON text: receivers limit the depth of messages.
inline constexpr int kMostDepth = 16;

// Text that is no UTF-8 gets U+FFFD for what is wrong.
std::string encode(const Origin& origin, const Span& span, Format format);
std::string encode(const Origin& origin, const std::vector<LogRecord>& records, Format format);
std::string encode(const Origin& origin, const std::vector<Metric>& metrics, Format format);

struct Framing {
  std::string head, separator, tail;
  std::string_view content_type;
};
Framing framing(Signal signal, Format format);

// The path below a base endpoint: "v1/traces", "v1/metrics", "v1/logs".
std::string_view path_of(Signal signal);

}  // namespace llmtap::otlp
