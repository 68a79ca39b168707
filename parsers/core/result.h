// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value or an Error. Errors are values everywhere in this project; nothing under
// parsers/ throws across its edge. Shaped after std::expected (C++23), which replaces it one day.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace llmtap {

// One line that says what is wrong and, where it can, what to do about it.
struct Error {
  std::string message;

  bool operator==(const Error&) const = default;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

// For operations that have no value to give.
struct Unit {
  bool operator==(const Unit&) const = default;
};
using Status = Result<Unit>;

}  // namespace llmtap
