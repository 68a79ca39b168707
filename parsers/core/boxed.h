// SPDX-License-Identifier: Apache-2.0
//
// An optional value that lives on the heap: one pointer while it is absent. For what few records
// have and all would pay for. Copies are deep.
#pragma once

#include <memory>
#include <utility>

namespace llmtap {

template <class T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}
  Boxed(const Boxed& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(Boxed other) noexcept {
    value_.swap(other.value_);
    return *this;
  }
  ~Boxed() = default;

  T& emplace() {
    value_ = std::make_unique<T>();
    return *value_;
  }

  explicit operator bool() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }

  friend bool operator==(const Boxed& a, const Boxed& b) {
    return a && b ? *a == *b : !a && !b;
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace llmtap
