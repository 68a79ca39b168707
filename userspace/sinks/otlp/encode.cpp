// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp/encode.h"

#include <cmath>
#include <protozero/pbf_writer.hpp>

#include "userspace/base/utf8.h"
#include "userspace/sinks/otlp/fields.h"

namespace llmtap::otlp {
namespace {

std::string from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  return bytes;
}

class ProtobufWriter {
 public:
  explicit ProtobufWriter(std::string& out) : out_(out), pbf_(out) {}
  ProtobufWriter(ProtobufWriter& parent, int number)
      : out_(parent.out_), pbf_(parent.pbf_, tag(number)) {}

  void text(int number, const char*, std::string_view v) {
    if (!v.empty()) any_text(number, "", v);
  }
  void id(int number, const char*, std::string_view hex) {
    if (!hex.empty()) pbf_.add_bytes(tag(number), from_hex(hex));
  }
  void number(int number, const char*, int v) {
    if (v != 0) pbf_.add_enum(tag(number), v);
  }
  void fixed64(int number, const char*, std::uint64_t v) {
    if (v != 0) pbf_.add_fixed64(tag(number), v);
  }
  void fixed32(int number, const char*, std::uint32_t v) {
    if (v != 0) pbf_.add_fixed32(tag(number), v);
  }
  void fixed64_list(int number, const char*, const std::vector<std::uint64_t>& v) {
    pbf_.add_packed_fixed64(tag(number), v.begin(), v.end());
  }
  void double_list(int number, const char*, const std::vector<double>& v) {
    pbf_.add_packed_double(tag(number), v.begin(), v.end());
  }
  void any_text(int number, const char*, std::string_view v) {
    const std::string text = valid_utf8(v);
    pbf_.add_string(tag(number), text);
  }
  void any_bool(int number, const char*, bool v) { pbf_.add_bool(tag(number), v); }
  void any_int(int number, const char*, std::int64_t v) { pbf_.add_int64(tag(number), v); }
  void any_fixed_int(int number, const char*, std::int64_t v) { pbf_.add_sfixed64(tag(number), v); }
  void any_double(int number, const char*, double v) { pbf_.add_double(tag(number), v); }

  template <class Message>
  void message(int number, const char*, const Message& message) {
    const std::size_t before = out_.size();
    {
      ProtobufWriter writer(*this, number);
      fields(writer, message);
    }
    // The library leaves out a message without fields, which is not the same as none.
    if (out_.size() == before) pbf_.add_message(tag(number), "", 0);
  }
  template <class Message>
  void repeated(int number, const char* name, const Message& element) {
    message(number, name, element);
  }

 private:
  static protozero::pbf_tag_type tag(int number) {
    return static_cast<protozero::pbf_tag_type>(number);
  }
  std::string& out_;
  protozero::pbf_writer pbf_;
};

// Ids in hex, 64-bit integers as decimal strings, enumerations as numbers.
class JsonWriter {
 public:
  explicit JsonWriter(Value& out) : out_(out) { out_ = Value::object(); }

  void text(int, const char* name, std::string_view v) {
    if (!v.empty()) out_[name] = v;
  }
  void id(int, const char* name, std::string_view hex) { text(0, name, hex); }
  void number(int, const char* name, int v) {
    if (v != 0) out_[name] = v;
  }
  void fixed64(int, const char* name, std::uint64_t v) {
    if (v != 0) out_[name] = std::to_string(v);
  }
  void fixed32(int, const char* name, std::uint32_t v) {
    if (v != 0) out_[name] = v;
  }
  void fixed64_list(int, const char* name, const std::vector<std::uint64_t>& values) {
    Value& list = out_[name] = Value::array();
    for (const auto v : values) list.push_back(std::to_string(v));
  }
  void double_list(int, const char* name, const std::vector<double>& v) { out_[name] = v; }
  void any_text(int, const char* name, std::string_view v) { out_[name] = v; }
  void any_bool(int, const char* name, bool v) { out_[name] = v; }
  void any_int(int, const char* name, std::int64_t v) { out_[name] = std::to_string(v); }
  void any_fixed_int(int, const char* name, std::int64_t v) { out_[name] = std::to_string(v); }
  // JSON has no such numbers: as protobuf's mapping has it.
  void any_double(int, const char* name, double v) {
    if (std::isfinite(v)) {
      out_[name] = v;
    } else {
      out_[name] = std::isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
    }
  }

  template <class Message>
  void message(int, const char* name, const Message& message) {
    JsonWriter writer(out_[name]);
    fields(writer, message);
  }
  template <class Message>
  void repeated(int, const char* name, const Message& message) {
    Value& list = out_[name];
    list.push_back(Value());
    JsonWriter writer(list.back());
    fields(writer, message);
  }

 private:
  Value& out_;
};

template <class Item>
std::string encode_items(const Origin& origin, const std::vector<Item>& items, Format format) {
  const Group<Item> group{origin, items};
  if (format == Format::kProtobuf) {
    std::string out;
    ProtobufWriter writer(out);
    writer.repeated(1, "", group);
    return out;
  }
  Value out;
  JsonWriter writer(out);
  fields(writer, group);
  return out.dump(-1, ' ', false, Value::error_handler_t::replace);
}

}  // namespace

std::string encode(const Origin& origin, const Span& span, Format format) {
  return encode_items(origin, std::vector<Span>{span}, format);
}
std::string encode(const Origin& origin, const std::vector<LogRecord>& records, Format format) {
  return encode_items(origin, records, format);
}
std::string encode(const Origin& origin, const std::vector<Metric>& metrics, Format format) {
  return encode_items(origin, metrics, format);
}

Framing framing(Signal signal, Format format) {
  if (format == Format::kProtobuf) return {"", "", "", "application/x-protobuf"};
  return {std::string("{\"") + names_of(signal).of_resource + "\":[", ",", "]}",
          "application/json"};
}

std::string_view path_of(Signal signal) {
  switch (signal) {
    case Signal::kTraces:
      return "v1/traces";
    case Signal::kMetrics:
      return "v1/metrics";
    case Signal::kLogs:
      return "v1/logs";
  }
  return "";
}

}  // namespace llmtap::otlp
