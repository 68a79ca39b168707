// SPDX-License-Identifier: Apache-2.0
//
// A whole file mapped read-only. Other people's files may shrink while we read them: pages that
// vanish read as zeros instead of killing the process (a SIGBUS handler puts zero pages there).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "parsers/core/result.h"

namespace llmtap {

class MappedFile {
 public:
  // Follows symlinks, /proc/PID/map_files and /proc/self/fd. Regular files only.
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  // Valid while this lives.
  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }

  // The pages may leave memory; they come back when read. Keeps a scan of a large file small.
  void forget(std::size_t offset, std::size_t size) const;

 private:
  MappedFile(const std::uint8_t* data, std::size_t size);
  void release();

  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace llmtap
