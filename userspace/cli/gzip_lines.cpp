// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/gzip_lines.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace llmtap {
namespace {

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};

// gzread hands plain files through unchanged.
Status for_each_piece(const std::string& path, const std::function<void(std::string_view)>& piece) {
  errno = 0;
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rb"));
  if (!file) {
    return Error{path + ": " + (errno != 0 ? std::strerror(errno) : "cannot be opened")};
  }
  std::string buffer(std::size_t{256} << 10, '\0');
  while (true) {
    const int got = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    if (got == 0) return Unit{};
    if (got < 0) {
      int code = 0;
      const char* text = gzerror(file.get(), &code);
      return Error{path + ": " + (code == Z_ERRNO ? std::strerror(errno) : text)};
    }
    piece(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

}  // namespace

Status for_each_line(const std::string& path, const std::function<void(std::string_view)>& line) {
  std::string pending;
  const auto emit = [&](std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (!text.empty()) line(text);
  };
  Status status = for_each_piece(path, [&](std::string_view piece) {
    while (true) {
      const auto end = piece.find('\n');
      if (end == std::string_view::npos) break;
      pending += piece.substr(0, end);
      emit(pending);
      pending.clear();
      piece.remove_prefix(end + 1);
    }
    pending += piece;
  });
  if (status.ok()) emit(pending);
  return status;
}

Result<std::string> read_whole(const std::string& path) {
  std::string whole;
  Status status = for_each_piece(path, [&](std::string_view piece) { whole += piece; });
  if (!status.ok()) return status.error();
  return whole;
}

}  // namespace llmtap
