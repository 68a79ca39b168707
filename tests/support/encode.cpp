// SPDX-License-Identifier: Apache-2.0
#include "tests/support/encode.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstdint>
#include <memory>

#include "tests/support/chunker.h"

namespace llmtap::testing {
namespace {

using Round = std::array<char, 16 * 1024>;

// `use(piece, last)` with what is written between two flushes; also once for an empty text.
template <class F>
void between_flushes(std::string_view text, std::size_t flush_every, F use) {
  if (text.empty()) return use(text, true);
  std::size_t left = text.size();
  in_pieces(text, flush_every, [&](std::string_view piece) {
    left -= piece.size();
    use(piece, left == 0);
  });
}

std::string zlib(std::string_view text, int window_bits, std::size_t flush_every) {
  z_stream stream{};
  deflateInit2(&stream, 4, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out;
  between_flushes(text, flush_every, [&](std::string_view piece, bool last) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      Round round;
      stream.next_out = reinterpret_cast<Bytef*>(round.data());
      stream.avail_out = static_cast<uInt>(round.size());
      deflate(&stream, last ? Z_FINISH : Z_SYNC_FLUSH);
      out.append(round.data(), round.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  });
  deflateEnd(&stream);
  return out;
}

std::string brotli(std::string_view text, std::size_t flush_every) {
  const std::unique_ptr<BrotliEncoderState, void (*)(BrotliEncoderState*)> state(
      BrotliEncoderCreateInstance(nullptr, nullptr, nullptr), BrotliEncoderDestroyInstance);
  BrotliEncoderSetParameter(state.get(), BROTLI_PARAM_QUALITY, 4);
  std::string out;
  between_flushes(text, flush_every, [&](std::string_view piece, bool last) {
    const auto* in = reinterpret_cast<const std::uint8_t*>(piece.data());
    std::size_t left = piece.size();
    do {
      Round round;
      auto* to = reinterpret_cast<std::uint8_t*>(round.data());
      std::size_t room = round.size();
      BrotliEncoderCompressStream(state.get(),
                                  last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &left,
                                  &in, &room, &to, nullptr);
      out.append(round.data(), round.size() - room);
    } while (left > 0 || BrotliEncoderHasMoreOutput(state.get()));
  });
  return out;
}

std::string zstd(std::string_view text, std::size_t flush_every) {
  const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                       ZSTD_freeCCtx);
  std::string out;
  between_flushes(text, flush_every, [&](std::string_view piece, bool last) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    std::size_t more = 1;
    while (more > 0 && !ZSTD_isError(more)) {
      Round round;
      ZSTD_outBuffer to{round.data(), round.size(), 0};
      more = ZSTD_compressStream2(context.get(), &to, &in, last ? ZSTD_e_end : ZSTD_e_flush);
      out.append(round.data(), to.pos);
    }
  });
  return out;
}

}  // namespace

std::string encode(std::string_view text, Coding coding, std::size_t flush_every) {
  switch (coding) {
    case Coding::kGzip: return zlib(text, 15 + 16, flush_every);
    case Coding::kDeflate: return zlib(text, 15, flush_every);
    case Coding::kRawDeflate: return zlib(text, -15, flush_every);
    case Coding::kBrotli: return brotli(text, flush_every);
    case Coding::kZstd: return zstd(text, flush_every);
  }
  return {};
}

}  // namespace llmtap::testing
