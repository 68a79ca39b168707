// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/compression.h"

#include <zstd.h>

namespace llmtap {

std::string compress(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const auto size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  out.resize(ZSTD_isError(size) != 0U ? 0 : size);
  return out;
}

std::string expand(std::string_view bytes) {
  constexpr unsigned long long kMost = 256ULL << 20;
  const auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMost) return {};
  std::string out(static_cast<std::size_t>(size), '\0');
  const auto got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  return ZSTD_isError(got) != 0U ? std::string() : out;
}

}  // namespace llmtap
