// SPDX-License-Identifier: Apache-2.0
//
// Reading JSON off the wire: total accessors over simdjson's DOM. A missing key, a wrong type or
// an index out of range is "absent", never a throw. simdjson's header stays in json.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace llmtap {

class JsonDocument;

// A view of one value inside a JsonDocument; valid while the document lives and is not parsed
// into again. A default-made Json is absent; every accessor of an absent value is absent.
class Json {
 public:
  Json() = default;

  bool exists() const { return document_ != nullptr; }
  explicit operator bool() const { return exists(); }
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_number() const;
  bool is_null() const;

  Json operator[](std::string_view key) const;  // object member
  // Several members in one pass: what operator[] gives for each of these (different) keys.
  template <std::size_t N>
  std::array<Json, N> select(const std::string_view (&keys)[N]) const {
    std::array<Json, N> found;
    select(keys, found.data());
    return found;
  }
  Json at(std::size_t index) const;             // array element; O(index)
  std::size_t size() const;                     // members or elements; 0 otherwise

  std::optional<std::string_view> string() const;
  std::optional<std::int64_t> integer() const;          // integral numbers, also 3.0
  std::optional<std::uint64_t> count() const;           // non-negative integer
  std::optional<double> number() const;
  std::optional<bool> boolean() const;
  std::string str() const { return std::string(string().value_or(std::string_view{})); }

  // Compact JSON text of this value (no spaces, key order of the wire, UTF-8 kept); "" if absent.
  std::string dump() const;

  // Iterates an array; an empty range for anything else.
  class Elements;
  Elements elements() const;
  // Iterates the members of an object in wire order; an empty range for anything else.
  class Members;
  Members members() const;

 private:
  friend class JsonDocument;
  friend struct JsonAccess;  // json.cpp: the bridge to simdjson
  void select(std::span<const std::string_view> keys, Json* found) const;

  const void* document_ = nullptr;
  std::size_t index_ = 0;
};

class Json::Elements {
 public:
  class Iterator {
   public:
    Json operator*() const { return current_; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return position_ != other.position_; }

   private:
    friend class Elements;
    friend struct JsonAccess;
    Json current_;
    const void* document_ = nullptr;
    std::size_t position_ = 0;
    std::size_t end_ = 0;
  };
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }

 private:
  friend struct JsonAccess;
  Iterator begin_, end_;
};

class Json::Members {
 public:
  class Iterator {
   public:
    std::pair<std::string_view, Json> operator*() const { return {key_, value_}; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return position_ != other.position_; }

   private:
    friend class Members;
    friend struct JsonAccess;
    std::string_view key_;
    Json value_;
    const void* document_ = nullptr;
    std::size_t position_ = 0;
    std::size_t end_ = 0;
  };
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }

 private:
  friend struct JsonAccess;
  Iterator begin_, end_;
};

// Owns one parsed document. Reusable: parse() again invalidates earlier views.
class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;

  // Absent if `text` is not one valid JSON value (UTF-8, depth at most kMaxDepth).
  // `text` may be freed afterwards.
  Json parse(std::string_view text);
  // The same, without a copy: kPadding bytes behind `text` may be read (whatever they are).
  Json parse_padded(std::string_view text);
  static constexpr std::size_t kPadding = 64;

  static constexpr std::size_t kMaxDepth = 512;

 private:
  struct State;
  Json parse(std::string_view text, bool padded);

  std::unique_ptr<State> state_;
};

// `text` as a JSON string literal, quotes included.
std::string quote_json(std::string_view text);

}  // namespace llmtap
