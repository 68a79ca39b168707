// SPDX-License-Identifier: Apache-2.0
//
// The raw chunk stream in a file and back: what `record` writes and `replay` reads, so that a bug
// report is reproducible. The file holds plaintext, credentials included: mode 0600, never sent.
//
//   "LLMTAPR1", then per chunk: u32 tgid, u8 kind, u8 direction, u16 0, u64 conn, u64 generation,
//   u64 offset, u64 begin_ns, u64 end_ns, u64 missing, u32 length, u32 0, bytes. Little endian.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "userspace/base/fd.h"
#include "userspace/capture/chunk_source.h"

namespace llmtap {

// Passes a source's chunks on and writes each to the file first.
class RecordingSource final : public ChunkSource {
 public:
  // `source` outlives it. The file must not exist yet.
  static Result<std::unique_ptr<RecordingSource>> create(const std::string& path,
                                                         ChunkSource& source);

  Result<std::size_t> poll(std::chrono::milliseconds timeout, const OnChunk& on_chunk) override;
  bool finished() const override { return source_.finished(); }

  std::uint64_t bytes() const { return bytes_; }

 private:
  RecordingSource(Fd fd, ChunkSource& source) : fd_(std::move(fd)), source_(source) {}
  void append(const Chunk& chunk);
  Status write_out();

  Fd fd_;
  ChunkSource& source_;
  std::string buffer_;
  std::uint64_t bytes_ = 0;
};

// Reads a recording, as fast as it is asked. A damaged tail ends it with an error.
class ReplaySource final : public ChunkSource {
 public:
  static Result<std::unique_ptr<ReplaySource>> open(const std::string& path);

  Result<std::size_t> poll(std::chrono::milliseconds timeout, const OnChunk& on_chunk) override;
  bool finished() const override { return finished_; }

  // Event time of the last chunk.
  TimeNs last_ns() const { return last_ns_; }

 private:
  explicit ReplaySource(Fd fd) : fd_(std::move(fd)) {}
  // False: the file ends here. An error, if it ends within.
  Result<bool> read(void* out, std::size_t size);

  Fd fd_;
  std::string bytes_;
  TimeNs last_ns_ = 0;
  bool finished_ = false;
};

}  // namespace llmtap
