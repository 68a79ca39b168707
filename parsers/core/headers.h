// SPDX-License-Identifier: Apache-2.0
//
// The header fields of one message, packed into one buffer: a head of 25 fields is one allocation,
// and an open call holds little more than the text itself.
//
//   field = u32 size of name | u32 size of value | name | value
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace llmtap {

// The views live as long as the Headers are unchanged.
struct Header {
  std::string_view name;  // lower case
  std::string_view value;

  bool operator==(const Header&) const = default;
};

// Order and repetitions as on the wire.
class Headers {
 public:
  class Iterator;
  using value_type = Header;
  using const_iterator = Iterator;

  Headers() = default;
  Headers(std::initializer_list<Header> fields) {
    for (const auto& field : fields) add(field.name, field.value);
  }

  // The name is kept in lower case. Neither view may point into this object.
  void add(std::string_view name, std::string_view value);
  void append(const Headers& others) { text_ += others.text_; }
  // Room for so many bytes of packed fields (as memory() counts); they need not come.
  void reserve(std::size_t bytes) { text_.reserve(bytes); }
  void shrink_to_fit() { text_.shrink_to_fit(); }
  void clear() { std::string().swap(text_); }  // gives the memory back

  bool empty() const { return text_.empty(); }
  std::size_t size() const;  // of fields: counts them
  // Bytes held on the heap.
  std::size_t memory() const { return text_.capacity(); }

  Iterator begin() const;
  Iterator end() const;

  // Gives each value to `rewrite(name, value)`, which may change it: std::string_view, std::string&.
  template <class Rewrite>
  void rewrite_values(Rewrite rewrite);
  // A copy without the fields that `unwanted` is true for.
  template <class Predicate>
  Headers without(Predicate unwanted) const;

  bool operator==(const Headers&) const = default;

 private:
  static constexpr std::size_t kPrefix = 2 * sizeof(std::uint32_t);

  std::string text_;
};

class Headers::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;  // makes its values
  using value_type = Header;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Header;

  Iterator() = default;
  explicit Iterator(const char* at) : at_(at) {}

  Header operator*() const {
    const char* text = at_ + kPrefix;
    return {{text, size(0)}, {text + size(0), size(1)}};
  }
  Iterator& operator++() {
    at_ += kPrefix + size(0) + size(1);
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Iterator&) const = default;

 private:
  std::size_t size(std::size_t which) const {
    std::uint32_t value;
    std::memcpy(&value, at_ + which * sizeof value, sizeof value);
    return value;
  }

  const char* at_ = nullptr;
};

inline Headers::Iterator Headers::begin() const { return Iterator(text_.data()); }
inline Headers::Iterator Headers::end() const { return Iterator(text_.data() + text_.size()); }

template <class Predicate>
Headers Headers::without(Predicate unwanted) const {
  Headers kept;
  for (const Header field : *this) {
    if (!unwanted(field)) kept.add(field.name, field.value);
  }
  return kept;
}

template <class Rewrite>
void Headers::rewrite_values(Rewrite rewrite) {
  Headers out;
  out.text_.reserve(text_.size());
  for (const Header field : *this) {
    std::string value(field.value);
    rewrite(field.name, value);
    out.add(field.name, value);
  }
  *this = std::move(out);
}

// First value of `name` (lower case), or absent. The view lives as long as `headers` is unchanged.
std::optional<std::string_view> find_header(const Headers& headers, std::string_view name);

}  // namespace llmtap
