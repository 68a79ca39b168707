// SPDX-License-Identifier: Apache-2.0
//
// One file of a spool (the format is in spool.h) and the cursor beside it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"

namespace llmtap {

// Everything before {segment, offset} has been taken.
struct SpoolCursor {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;

  bool operator==(const SpoolCursor&) const = default;
};
SpoolCursor read_cursor(int fd);  // {0, 0} if there is none or it is damaged
void write_cursor(int fd, const SpoolCursor& cursor);

class SpoolSegment {
 public:
  static Result<SpoolSegment> create(const std::string& directory, std::uint64_t number);
  // Counts the whole records from `offset` on; a damaged tail is left out, and the segment sealed.
  static Result<SpoolSegment> open(const std::string& path, std::uint64_t number,
                                   std::uint64_t offset);

  std::uint64_t number() const { return number_; }
  std::uint64_t size() const { return size_; }      // bytes of whole records
  std::uint64_t cursor() const { return cursor_; }  // offset of the first unread record
  std::uint64_t unread() const { return lengths_.size(); }
  std::uint64_t damaged() const { return damaged_; }  // bytes behind them that are no records
  bool sealed() const { return damaged_ > 0; }        // takes no further records

  // False: the disk refused (errno); nothing of the record remains.
  bool append(std::string_view record);
  // Hands over unread records until `take` returns false; then returns false itself. A record that
  // the disk does not give back is empty.
  bool read_from_cursor(const std::function<bool(std::string&&)>& take);
  void skip_one();
  void remove();  // deletes the file

 private:
  SpoolSegment(Fd fd, std::string path, std::uint64_t number)
      : fd_(std::move(fd)), path_(std::move(path)), number_(number) {}
  void scan(std::uint64_t file_bytes);

  Fd fd_;
  std::string path_;
  std::uint64_t number_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t cursor_ = 0;
  std::uint64_t damaged_ = 0;
  std::deque<std::uint32_t> lengths_;  // of the unread records
};

// All segments of a directory from the cursor on, oldest first; older ones are deleted.
std::deque<SpoolSegment> load_segments(const std::string& directory, const SpoolCursor& cursor);

}  // namespace llmtap
