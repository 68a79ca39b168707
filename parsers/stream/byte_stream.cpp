// SPDX-License-Identifier: Apache-2.0
#include "parsers/stream/byte_stream.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace llmtap {

namespace {

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
}

}  // namespace

void ByteStream::push(const Chunk& chunk, bool patient, std::size_t limit, StreamSink& sink) {
  if (chunk.offset <= next_) {
    deliver(chunk.offset, chunk.bytes, chunk.missing, chunk.begin_ns, chunk.end_ns, sink);
    if (held_) release(sink);
    return;
  }
  hold(chunk);
  if (!patient) {
    give_up(sink);
    return;
  }
  while (held_ && (held_->bytes > limit || held_->pieces.size() > kMaxHeldPieces)) {
    skip_hole(sink, true);
  }
  if (held_) expire(chunk.end_ns, sink);
}

void ByteStream::expire(TimeNs now_ns, StreamSink& sink) {
  while (held_ && now_ns > held_->since && now_ns - held_->since > kReorderNs) {
    skip_hole(sink, false);
  }
}

void ByteStream::give_up(StreamSink& sink) {
  while (held_) skip_hole(sink, false);
}

// Trims what was delivered before; the rest begins exactly at next_.
void ByteStream::deliver(std::uint64_t offset, std::string_view bytes, std::uint64_t missing,
                         TimeNs begin_ns, TimeNs end_ns, StreamSink& sink) {
  anywhere_ = false;
  const std::uint64_t end = saturating_add(offset, bytes.size());
  const std::uint64_t covered = saturating_add(end, missing);
  if (offset < next_ && !bytes.empty()) sink.repeated(std::min(end, next_) - offset);
  if (end > next_) {
    bytes.remove_prefix(static_cast<std::size_t>(next_ - offset));
    next_ = end;
    sink.bytes(bytes, begin_ns, end_ns);
  }
  if (covered > next_) {
    const std::uint64_t count = covered - next_;
    next_ = covered;
    sink.hole(count, begin_ns, end_ns, false);
  }
}

void ByteStream::hold(const Chunk& chunk) {
  if (!held_) {
    held_ = std::make_unique<Held>();
    held_->since = chunk.end_ns;
  }
  auto& pieces = held_->pieces;
  const auto behind = [](std::uint64_t offset, const Piece& piece) { return offset < piece.offset; };
  const auto place = std::upper_bound(pieces.begin(), pieces.end(), chunk.offset, behind);
  pieces.insert(place, Piece{chunk.offset, chunk.missing, chunk.begin_ns, chunk.end_ns,
                             std::string(chunk.bytes)});
  held_->bytes += sizeof(Piece) + chunk.bytes.size();
}

// Delivers the held pieces that are due now.
void ByteStream::release(StreamSink& sink) {
  auto& pieces = held_->pieces;
  std::size_t done = 0;
  while (done < pieces.size() && pieces[done].offset <= next_) {
    const Piece& piece = pieces[done++];
    held_->bytes -= sizeof(Piece) + piece.bytes.size();
    sink.held(piece.end_ns);
    deliver(piece.offset, piece.bytes, piece.missing, piece.begin_ns, piece.end_ns, sink);
  }
  if (done == 0) return;
  pieces.erase(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(done));
  if (pieces.empty()) {
    held_.reset();
  } else {
    held_->since = pieces.front().end_ns;  // a further hole is waited for from now on
  }
}

void ByteStream::skip_hole(StreamSink& sink, bool overflow) {
  const Piece& first = held_->pieces.front();
  const std::uint64_t count = first.offset - next_;
  next_ = first.offset;
  if (!std::exchange(anywhere_, false)) sink.hole(count, first.begin_ns, first.end_ns, overflow);
  release(sink);
}

}  // namespace llmtap
