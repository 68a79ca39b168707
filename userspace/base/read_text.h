// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

#include "userspace/base/fd.h"

namespace llmtap {

// What `fd` gives until its end, an error, or `most` bytes (up to a piece of 16 KiB more); "" of no
// file. For /proc, whose files have no size.
inline std::string read_text(const Fd& fd, std::size_t most) {
  std::string text;
  std::array<char, 16384> piece;
  ssize_t size = 0;
  while (fd && text.size() < most && (size = ::read(fd.get(), piece.data(), piece.size())) > 0)
    text.append(piece.data(), static_cast<std::size_t>(size));
  return text;
}

}  // namespace llmtap
