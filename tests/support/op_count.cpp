// SPDX-License-Identifier: Apache-2.0
// Compiled without builtins: the loops must not become calls of the functions they define.
#include "tests/support/op_count.h"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

llmtap::testing::OpCount counted;

using Byte = unsigned char;

void* copy_forward(void* to, const void* from, std::size_t size) {
  auto* out = static_cast<Byte*>(to);
  const auto* in = static_cast<const Byte*>(from);
  for (; size >= 8; size -= 8, out += 8, in += 8) {
    using Word __attribute__((may_alias, aligned(1))) = std::uint64_t;
    *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
  }
  while (size-- > 0) *out++ = *in++;
  return to;
}

constexpr std::size_t kMallocHeader = sizeof(void*);

void* allocate(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  ++counted.allocations;
  counted.allocated += size;
  counted.live += malloc_usable_size(memory) + kMallocHeader;
  return memory;
}

void release(void* memory) {
  if (memory != nullptr) counted.live -= malloc_usable_size(memory) + kMallocHeader;
  std::free(memory);
}

}  // namespace

namespace llmtap::testing {
OpCount op_count() { return counted; }
}  // namespace llmtap::testing

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) {
  counted.moved += size;
  ++counted.calls;
  return copy_forward(to, from, size);
}

void* memmove(void* to, const void* from, std::size_t size) {
  counted.moved += size;
  ++counted.calls;
  auto* out = static_cast<Byte*>(to);
  const auto* in = static_cast<const Byte*>(from);
  if (out <= in || out >= in + size) return copy_forward(to, from, size);
  while (size-- > 0) out[size] = in[size];
  return to;
}

void* memset(void* to, int value, std::size_t size) {
  counted.moved += size;
  ++counted.calls;
  auto* out = static_cast<Byte*>(to);
  while (size-- > 0) *out++ = static_cast<Byte>(value);
  return to;
}

void* memchr(const void* in, int value, std::size_t size) {
  const auto* at = static_cast<const Byte*>(in);
  ++counted.calls;
  for (std::size_t i = 0; i < size; ++i) {
    if (at[i] != static_cast<Byte>(value)) continue;
    counted.scanned += i + 1;
    return const_cast<Byte*>(at + i);
  }
  counted.scanned += size;
  return nullptr;
}

int memcmp(const void* left, const void* right, std::size_t size) {
  const auto* a = static_cast<const Byte*>(left);
  const auto* b = static_cast<const Byte*>(right);
  ++counted.calls;
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] == b[i]) continue;
    counted.scanned += i + 1;
    return a[i] < b[i] ? -1 : 1;
  }
  counted.scanned += size;
  return 0;
}

}  // extern "C"

void* operator new(std::size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
