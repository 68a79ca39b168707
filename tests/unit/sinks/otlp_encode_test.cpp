// SPDX-License-Identifier: Apache-2.0
//
// The protobuf is read back here by number and wire type, apart from the code that writes it; the
// client suite shows both encodings to a real collector.
#include <catch2/catch.hpp>
#include <limits>
#include <protozero/pbf_reader.hpp>

#include "tests/unit/sinks/otlp_support.h"
#include "userspace/base/utf8.h"
#include "userspace/sinks/otlp/encode.h"
#include "userspace/sinks/otlp/metrics.h"
#include "userspace/sinks/otlp/partial_success.h"
#include "userspace/sinks/otlp/span_map.h"

namespace llmtap::otlp {
namespace {

using protozero::pbf_reader;
using test::sample_chat;

// The `nth` field `number` of a message; the test fails if there is none.
pbf_reader at(const std::string& bytes, std::vector<std::uint32_t> path) {
  pbf_reader message(bytes);
  for (const auto number : path) {
    REQUIRE(message.next(number));
    message = message.get_message();
  }
  return message;
}

TEST_CASE("otlp: a span as protobuf", "[unit]") {
  Span span;
  span.trace_id = "0af7651916cd43dd8448eb211c80319c";
  span.span_id = "00000000000000ff";
  span.name = "chat m";
  span.start = 5;
  span.end = 7;
  span.flags = 0x301;
  span.attributes = {{"s", ""}, {"b", false}, {"i", -1}, {"d", 0.5}, {"l", {"x"}}};
  span.status = {StatusCode::kError, "no"};
  const std::string bytes = encode({{{"service.name", "shop"}}, "url"}, span, Format::kProtobuf);
  auto message = at(bytes, {1, 2, 2});
  std::vector<std::string> values;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        CHECK(message.get_bytes().substr(0, 2) == "\x0a\xf7");
        break;
      case 2:
        CHECK(message.get_bytes() == std::string("\0\0\0\0\0\0\0\xff", 8));
        break;
      case 5:
        CHECK(message.get_string() == "chat m");
        break;
      case 6:
        CHECK(message.get_enum() == 3);
        break;
      case 7:
        CHECK(message.get_fixed64() == 5);
        break;
      case 8:
        CHECK(message.get_fixed64() == 7);
        break;
      case 9: {
        auto pair = message.get_message();
        REQUIRE(pair.next(1));
        std::string text = pair.get_string() + ":";
        REQUIRE(pair.next(2));
        auto value = pair.get_message();
        REQUIRE(value.next());
        text += std::to_string(value.tag());
        if (value.tag() == 3) CHECK(value.get_int64() == -1);
        values.push_back(text);
        break;
      }
      case 15: {
        auto status = message.get_message();
        REQUIRE(status.next(2));
        CHECK(status.get_string() == "no");
        REQUIRE(status.next(3));
        CHECK(status.get_enum() == 2);
        break;
      }
      case 16:
        CHECK(message.get_fixed32() == 0x301);
        break;
      default:
        FAIL("unexpected field " << message.tag());
    }
  }
  // Members of a oneof are written though they are empty or zero.
  CHECK(values == std::vector<std::string>{"s:1", "b:2", "i:3", "d:4", "l:5"});
}

TEST_CASE("otlp: an empty list is not nothing", "[unit]") {
  Span span;
  span.attributes["l"] = Value::array();
  auto pair = at(encode({}, span, Format::kProtobuf), {1, 2, 2, 9});
  REQUIRE(pair.next(2));
  auto value = pair.get_message();
  CHECK(value.next(5));
}

TEST_CASE("otlp: a span as JSON", "[unit]") {
  Span span;
  span.trace_id = "0af7651916cd43dd8448eb211c80319c";
  span.span_id = "00000000000000ff";
  span.name = "chat m";
  span.start = 5;
  span.end = 7;
  span.attributes = {{"i", 9007199254740993}, {"l", {"x", 1}}};
  CHECK(encode({{{"service.name", "shop"}}, "url"}, span, Format::kJson) ==
        R"({"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},)"
        R"("scopeSpans":[{"scope":{"name":"llmtap","version":"0.1.0"},"spans":[)"
        R"({"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"00000000000000ff",)"
        R"("name":"chat m","kind":3,"startTimeUnixNano":"5","endTimeUnixNano":"7","attributes":[)"
        R"({"key":"i","value":{"intValue":"9007199254740993"}},)"
        R"({"key":"l","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"1"}]}}}],)"
        R"("status":{}}],"schemaUrl":"url"}],"schemaUrl":"url"})");
}

TEST_CASE("otlp: numbers that JSON or an int64 cannot hold", "[unit]") {
  Span span;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  span.attributes = {{"seed", std::numeric_limits<std::uint64_t>::max()},
                     {"up", kInfinity},
                     {"down", -kInfinity},
                     {"none", std::numeric_limits<double>::quiet_NaN()}};
  const auto json = Value::parse(encode({}, span, Format::kJson));
  for (const auto& pair : json["scopeSpans"][0]["spans"][0]["attributes"]) {
    const auto& value = pair["value"];
    CAPTURE(pair.dump());
    if (pair["key"] == "seed") CHECK(value["doubleValue"] == 18446744073709551616.0);
    if (pair["key"] == "up") CHECK(value["doubleValue"] == "Infinity");
    if (pair["key"] == "down") CHECK(value["doubleValue"] == "-Infinity");
    if (pair["key"] == "none") CHECK(value["doubleValue"] == "NaN");
  }
}

TEST_CASE("otlp: records laid end to end are one request", "[unit]") {
  Span span;
  const std::string one = encode({}, span, Format::kProtobuf);
  const std::string all = one + one + one;
  pbf_reader request(all);
  int groups = 0;
  while (request.next(1)) {
    ++groups;
    request.skip();
  }
  CHECK(groups == 3);
  const auto frame = framing(Signal::kTraces, Format::kJson);
  const std::string json = encode({}, span, Format::kJson);
  const auto parsed = Value::parse(frame.head + json + frame.separator + json + frame.tail);
  CHECK(parsed["resourceSpans"].size() == 2);
}

TEST_CASE("otlp: text that is no UTF-8", "[unit]") {
  struct Case {
    const char* name;
    std::string_view text, valid;
  };
  const Case cases[] = {
      {"ascii", "abc", "abc"},
      {"two to four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
       "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
      {"lone continuation", "a\x80z", "a\xef\xbf\xbdz"},
      {"cut", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
      {"overlong", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"beyond Unicode", "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(valid_utf8(c.text) == c.valid); }
  }
}

TEST_CASE("otlp: depth is bounded", "[unit]") {
  Value deep = 1;
  for (int i = 0; i < 200; ++i) deep = Value::array({deep});
  Span span;
  span.attributes["deep"] = deep;
  const auto json = encode({}, span, Format::kJson);
  CHECK(json.find("[[[[[[[[[[[[[[[[[") != std::string::npos);  // as text
  int depth = 0, most = 0;
  for (std::size_t at = 0; (at = json.find("arrayValue", at)) != std::string::npos; ++at)
    most = std::max(most, ++depth);
  CHECK(most == kMostDepth);
}

Point point_of(const MetricTable::Group& group, std::string_view name) {
  for (const auto& metric : group.metrics) {
    if (metric.name == name) return metric.points.at(0);
  }
  FAIL("no metric " << name);
  return {};
}

TEST_CASE("otlp: metrics of 1.41", "[unit]") {
  MetricTable table({}, {"node", "", {}}, 10);
  table.add(sample_chat());
  table.add(sample_chat());
  auto other = sample_chat();
  other.process.service = "jobs";
  other.usage.source = Usage::Source::kEstimated;
  table.add(other);
  const auto groups = table.collect(20);
  REQUIRE(groups.size() == 2);
  const auto& shop = groups[0].resource["service.name"] == "shop" ? groups[0] : groups[1];
  const auto& jobs = groups[0].resource["service.name"] == "shop" ? groups[1] : groups[0];
  const auto duration = point_of(shop, "gen_ai.client.operation.duration");
  CHECK(duration.count == 2);
  CHECK(duration.sum == Approx(3.0));
  CHECK(duration.start == 10);
  CHECK(duration.time == 20);
  REQUIRE(duration.buckets.size() == 15);
  CHECK(duration.buckets[8] == 2);  // (1.28, 2.56]
  CHECK(point_of(shop, "gen_ai.client.operation.time_to_first_chunk").sum == Approx(0.5));
  const auto tokens = std::find_if(shop.metrics.begin(), shop.metrics.end(), [](const auto& m) {
    return m.name == "gen_ai.client.token.usage";
  });
  REQUIRE(tokens != shop.metrics.end());
  REQUIRE(tokens->points.size() == 2);
  CHECK(tokens->unit == "{token}");
  CHECK(tokens->bounds.front() == 1);
  CHECK(tokens->bounds.back() == 67108864);
  for (const auto& metric : jobs.metrics) CHECK(metric.name != "gen_ai.client.token.usage");
  CHECK(table.collect(30)[0].metrics.size() == groups[0].metrics.size());  // cumulative
}

TEST_CASE("otlp: delta metrics start anew", "[unit]") {
  MetricTable table({.temporality = Temporality::kDelta}, {}, 10);
  table.add(sample_chat());
  CHECK(table.collect(20).size() == 1);
  CHECK(table.collect(30).empty());
  table.add(sample_chat());
  const auto group = table.collect(40).at(0);
  CHECK(point_of(group, "gen_ai.client.operation.duration").start == 30);
  CHECK(point_of(group, "gen_ai.client.operation.duration").count == 1);
}

TEST_CASE("otlp: metrics of the latest conventions", "[unit]") {
  MetricTable table({.conventions = Conventions::kLatest}, {}, 10);
  auto call = sample_chat();
  call.usage.input_audio = 3;
  table.add(call);
  const auto group = table.collect(20).at(0);
  CHECK(point_of(group, "gen_ai.client.inference.duration").count == 1);
  CHECK(point_of(group, "gen_ai.client.inference.operation.output_tokens").sum == 7);
  double input = 0;
  for (const auto& metric : group.metrics) {
    CHECK(metric.name != "gen_ai.client.token.usage");
    if (metric.name != "gen_ai.client.inference.usage.input_tokens") continue;
    CHECK(metric.bounds.empty());
    for (const auto& point : metric.points) input += point.sum;
    CHECK(metric.points.size() == 2);  // audio, text
  }
  CHECK(input == 8);
}

TEST_CASE("otlp: a model server's side has metrics of its own", "[unit]") {
  MetricTable table({}, {}, 10);
  auto call = sample_chat();
  call.observed = ObservedEnd::kServer;
  table.add(call);
  const auto group = table.collect(20).at(0);
  CHECK(point_of(group, "gen_ai.server.time_to_first_token").count == 1);
  for (const auto& metric : group.metrics) CHECK(metric.name.starts_with("gen_ai.server."));
}

TEST_CASE("otlp: cardinality is bounded", "[unit]") {
  Host host;
  host.attributes = {{"team", "\xff"}};  // OTEL_RESOURCE_ATTRIBUTES=team=%FF
  MetricTable table({}, host, 10);
  auto call = sample_chat();
  for (int i = 0; i < 5000; ++i) {
    call.model_requested = "m" + std::to_string(i);
    call.process.service = "s" + std::to_string(i);
    table.add(call);
  }
  CHECK(table.series() <= MetricTable::kMostSeries + 8);
  std::uint64_t calls = 0;
  bool overflow = false;
  for (const auto& group : table.collect(20)) {
    for (const auto& metric : group.metrics) {
      if (metric.name != "gen_ai.client.operation.duration") continue;
      for (const auto& point : metric.points) {
        calls += point.count;
        overflow |= point.attributes.contains("otel.metric.overflow");
      }
    }
  }
  CHECK(calls == 5000);
  CHECK(overflow);
}

TEST_CASE("otlp: metrics as protobuf", "[unit]") {
  Metric metric{"m", "d", "s", Temporality::kDelta, {1, 2}, {}};
  Point point;
  point.count = 3;
  point.sum = 4.5;
  point.buckets = {1, 0, 2};
  metric.points = {point};
  const auto bytes = encode({}, std::vector<Metric>{metric}, Format::kProtobuf);
  auto histogram = at(bytes, {1, 2, 2});
  REQUIRE(histogram.next(9));
  histogram = histogram.get_message();
  REQUIRE(histogram.next(1));
  auto data = histogram.get_message();
  REQUIRE(data.next(4));
  CHECK(data.get_fixed64() == 3);
  REQUIRE(data.next(5));
  CHECK(data.get_double() == 4.5);
  REQUIRE(data.next(6));
  const auto buckets = data.get_packed_fixed64();
  CHECK(std::vector<std::uint64_t>(buckets.begin(), buckets.end()) ==
        std::vector<std::uint64_t>{1, 0, 2});
  REQUIRE(data.next(7));
  const auto bounds = data.get_packed_double();
  CHECK(std::vector<double>(bounds.begin(), bounds.end()) == std::vector<double>{1, 2});
  REQUIRE(histogram.next(2));
  CHECK(histogram.get_enum() == 1);
}

TEST_CASE("otlp: answers", "[unit]") {
  using namespace std::string_literals;
  struct Case {
    const char* name;
    std::string body;
    std::uint64_t rejected;
    const char* message;
  };
  const Case cases[] = {
      {"empty", "", 0, ""},
      {"JSON, nothing", "{}", 0, ""},
      {"JSON", R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"late"}})", 2, "late"},
      {"JSON, a number", R"({"partialSuccess":{"rejectedLogRecords":3}})", 3, ""},
      {"JSON, wrong types", R"({"partialSuccess":{"rejectedSpans":{},"errorMessage":1}})", 0, ""},
      {"JSON, cut", R"({"partialSuccess":)", 0, ""},
      {"protobuf", "\x0a\x08\x08\x02\x12\x04late"s, 2, "late"},
      {"protobuf, negative", "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, 0, ""},
      {"protobuf, cut", "\x0a\x08\x08\x02"s, 0, ""},
      {"text", "OK", 0, ""},
      {"a page", "<html>", 0, ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const auto answer = read_partial_success(c.body);
      CHECK(answer.rejected == c.rejected);
      CHECK(answer.message == c.message);
    }
  }
}

}  // namespace
}  // namespace llmtap::otlp
