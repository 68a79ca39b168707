// SPDX-License-Identifier: Apache-2.0
#include "parsers/core/json.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace llmtap {

using simdjson::dom::element;
using simdjson::dom::element_type;

// simdjson's dom::element is a trivially copyable pair {document, tape index}. Json stores that
// pair, so that no other file needs simdjson's (very large) header.
struct JsonAccess {
  struct Pair {
    const void* document;
    std::size_t index;
  };
  static_assert(sizeof(element) == sizeof(Pair) && std::is_trivially_copyable_v<element>);

  static Json wrap(element value) {
    const auto pair = std::bit_cast<Pair>(value);
    Json json;
    json.document_ = pair.document;
    json.index_ = pair.index;
    return json;
  }
  static element unwrap(const Json& json) {
    return std::bit_cast<element>(Pair{json.document_, json.index_});
  }
  static element unwrap(const void* document, std::size_t index) {
    return std::bit_cast<element>(Pair{document, index});
  }

  // simdjson's iterators are the same pair. An element's own index and that of the value behind it
  // are all that walking needs.
  template <class T>
  static Pair pair(T iterator) {
    static_assert(sizeof(T) == sizeof(Pair) && std::is_trivially_copyable_v<T>);
    return std::bit_cast<Pair>(iterator);
  }
  template <class T>
  static T iterator(const void* document, std::size_t index) {
    return std::bit_cast<T>(Pair{document, index});
  }

  static Json::Elements elements(simdjson::dom::array array) {
    Json::Elements range;
    const auto first = pair(array.begin());
    const auto last = pair(array.end());
    fill(range.begin_, first, last);
    fill(range.end_, last, last);
    if (first.index != last.index) range.begin_.current_ = wrap(*array.begin());
    return range;
  }
  static Json::Members members(simdjson::dom::object object) {
    Json::Members range;
    const auto first = pair(object.begin());
    const auto last = pair(object.end());
    fill(range.begin_, first, last);
    fill(range.end_, last, last);
    if (first.index != last.index) {
      range.begin_.key_ = object.begin().key();
      range.begin_.value_ = wrap(object.begin().value());
    }
    return range;
  }
  template <class Iterator>
  static void fill(Iterator& iterator, Pair at, Pair end) {
    iterator.document_ = at.document;
    iterator.position_ = at.index;
    iterator.end_ = end.index;
  }
};

namespace {

// Keys differ in their length or first letter nearly always: no call for those.
bool same_key(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || a.front() == b.front()) && a == b;
}

std::uint64_t length_bit(std::string_view key) {
  return std::uint64_t{1} << std::min<std::size_t>(key.size(), 63);
}

element_type type_of(const Json& json) { return JsonAccess::unwrap(json).type(); }

}  // namespace

bool Json::is_object() const { return exists() && type_of(*this) == element_type::OBJECT; }
bool Json::is_array() const { return exists() && type_of(*this) == element_type::ARRAY; }
bool Json::is_string() const { return exists() && type_of(*this) == element_type::STRING; }
bool Json::is_null() const { return exists() && type_of(*this) == element_type::NULL_VALUE; }
bool Json::is_number() const {
  if (!exists()) return false;
  const auto type = type_of(*this);
  return type == element_type::INT64 || type == element_type::UINT64 ||
         type == element_type::DOUBLE;
}

Json Json::operator[](std::string_view key) const {
  if (!is_object()) return {};
  const simdjson::dom::object object = JsonAccess::unwrap(*this).get_object().value_unsafe();
  for (const auto field : object) {
    if (same_key(field.key, key)) return JsonAccess::wrap(field.value);
  }
  return {};
}

void Json::select(std::span<const std::string_view> keys, Json* found) const {
  if (!is_object()) return;
  // Most fields of an event are not asked for, and their length tells.
  std::uint64_t lengths = 0;
  for (const auto key : keys) lengths |= length_bit(key);
  std::size_t missing = keys.size();
  const simdjson::dom::object object = JsonAccess::unwrap(*this).get_object().value_unsafe();
  for (const auto field : object) {
    if ((lengths & length_bit(field.key)) == 0) continue;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (found[i].exists() || !same_key(field.key, keys[i])) continue;
      found[i] = JsonAccess::wrap(field.value);
      if (--missing == 0) return;
      break;
    }
  }
}

Json Json::at(std::size_t index) const {
  if (!is_array()) return {};
  element found;
  if (JsonAccess::unwrap(*this).at(index).get(found) != simdjson::SUCCESS) return {};
  return JsonAccess::wrap(found);
}

std::size_t Json::size() const {
  // Not simdjson's size(): that one saturates at 2^24 - 1.
  std::size_t count = 0;
  if (is_array()) {
    for ([[maybe_unused]] auto value : elements()) ++count;
  } else if (is_object()) {
    for ([[maybe_unused]] auto member : members()) ++count;
  }
  return count;
}

std::optional<std::string_view> Json::string() const {
  if (!is_string()) return std::nullopt;
  return JsonAccess::unwrap(*this).get_string().value_unsafe();
}

std::optional<std::int64_t> Json::integer() const {
  if (!is_number()) return std::nullopt;
  const auto value = JsonAccess::unwrap(*this);
  std::int64_t integral = 0;
  if (value.get_int64().get(integral) == simdjson::SUCCESS) return integral;
  double real = 0;
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it a double is no exact integer
  if (value.get_double().get(real) == simdjson::SUCCESS && real == std::floor(real) &&
      std::fabs(real) <= kExact) {
    return static_cast<std::int64_t>(real);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Json::count() const {
  const auto value = integer();
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<double> Json::number() const {
  if (!is_number()) return std::nullopt;
  double real = 0;
  if (JsonAccess::unwrap(*this).get_double().get(real) != simdjson::SUCCESS) return std::nullopt;
  return real;
}

std::optional<bool> Json::boolean() const {
  if (!exists()) return std::nullopt;
  bool value = false;
  if (JsonAccess::unwrap(*this).get_bool().get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::string Json::dump() const {
  if (!exists()) return {};
  return simdjson::minify(JsonAccess::unwrap(*this));
}

Json::Elements Json::elements() const {
  if (!is_array()) return {};
  return JsonAccess::elements(JsonAccess::unwrap(*this).get_array().value_unsafe());
}

Json::Members Json::members() const {
  if (!is_object()) return {};
  return JsonAccess::members(JsonAccess::unwrap(*this).get_object().value_unsafe());
}

Json::Elements::Iterator& Json::Elements::Iterator::operator++() {
  using simdjson_iterator = simdjson::dom::array::iterator;
  auto iterator = JsonAccess::iterator<simdjson_iterator>(document_, position_);
  ++iterator;
  position_ = JsonAccess::pair(iterator).index;
  current_ = position_ == end_ ? Json{} : JsonAccess::wrap(*iterator);
  return *this;
}

Json::Members::Iterator& Json::Members::Iterator::operator++() {
  using simdjson_iterator = simdjson::dom::object::iterator;
  auto iterator = JsonAccess::iterator<simdjson_iterator>(document_, position_);
  ++iterator;
  position_ = JsonAccess::pair(iterator).index;
  if (position_ == end_) {
    key_ = {};
    value_ = {};
  } else {
    key_ = iterator.key();
    value_ = JsonAccess::wrap(iterator.value());
  }
  return *this;
}

namespace {

constexpr std::size_t kMinCapacity = 4096;

}  // namespace

struct JsonDocument::State {
  simdjson::dom::parser parser;
};

JsonDocument::JsonDocument() = default;
JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;

Json JsonDocument::parse(std::string_view text) { return parse(text, false); }

Json JsonDocument::parse_padded(std::string_view text) { return parse(text, true); }

Json JsonDocument::parse(std::string_view text, bool padded) {
  static_assert(kPadding >= simdjson::SIMDJSON_PADDING);
  if (text.empty()) return {};  // its pointer may be null
  if (!state_) state_ = std::make_unique<State>();
  auto& parser = state_->parser;
  // allocate() always makes new buffers: only when these are too small, and then with room.
  if (text.size() > parser.capacity() || parser.capacity() == 0) {
    const std::size_t capacity = std::max(text.size() + text.size() / 4, kMinCapacity);
    if (parser.allocate(capacity, kMaxDepth) != simdjson::SUCCESS) return {};
  }
  element root;
  // The library copies into a padded buffer when told to (realloc_if_needed).
  if (parser.parse(text.data(), text.size(), !padded).get(root) != simdjson::SUCCESS) return {};
  return JsonAccess::wrap(root);
}

std::string quote_json(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size() + 2);
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out.push_back(kHex[(static_cast<unsigned char>(c) >> 4) & 0xf]);
          out.push_back(kHex[c & 0xf]);
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
  return out;
}

}  // namespace llmtap
