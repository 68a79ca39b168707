// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/partial_success.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <protozero/pbf_reader.hpp>

namespace llmtap::otlp {
namespace {

constexpr std::size_t kLongestMessage = 500;

// {partial_success = 1 {rejected_* = 1 int64, error_message = 2 string}}
PartialSuccess from_protobuf(const std::string& body) {
  PartialSuccess out;
  protozero::pbf_reader response(body);
  while (response.next(1, protozero::pbf_wire_type::length_delimited)) {
    auto partial = response.get_message();
    while (partial.next()) {
      switch (partial.tag_and_type()) {
        case protozero::tag_and_type(1, protozero::pbf_wire_type::varint):
          out.rejected = static_cast<std::uint64_t>(std::max<std::int64_t>(0, partial.get_int64()));
          break;
        case protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited):
          out.message = partial.get_string();
          break;
        default:
          partial.skip();
      }
    }
  }
  return out;
}

PartialSuccess from_json(const std::string& body) {
  PartialSuccess out;
  const auto response = nlohmann::json::parse(body, nullptr, false);
  if (!response.is_object() || !response.contains("partialSuccess")) return out;
  const auto& partial = response["partialSuccess"];
  if (!partial.is_object()) return out;
  for (const auto key : {"rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"}) {
    const auto found = partial.find(key);
    if (found == partial.end()) continue;
    // int64 is a decimal string in OTLP's JSON; numbers are seen as well.
    if (found->is_number_unsigned()) out.rejected = found->get<std::uint64_t>();
    if (found->is_string()) {
      const auto& text = found->get_ref<const std::string&>();
      std::from_chars(text.data(), text.data() + text.size(), out.rejected);
    }
  }
  if (const auto found = partial.find("errorMessage");
      found != partial.end() && found->is_string()) {
    out.message = found->get<std::string>();
  }
  return out;
}

}  // namespace

PartialSuccess read_partial_success(const std::string& body) {
  PartialSuccess out;
  if (body.starts_with('{')) {
    out = from_json(body);
  } else {
    try {
      out = from_protobuf(body);
    } catch (const protozero::exception&) {
      out = {};  // not protobuf: a peer that answers text
    }
  }
  if (out.message.size() > kLongestMessage) out.message.resize(kLongestMessage);
  return out;
}

}  // namespace llmtap::otlp
