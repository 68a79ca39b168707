// SPDX-License-Identifier: Apache-2.0
//
// The whole of parsers/: chunks of several connections in, records out. Memory stays within the
// budget, every connection can be ended, and what is followed without a loss gives the same records
// however it is cut.
//
// Input: records of {control, where, length 16} and that many bytes.
//   control  0-3 data of the client's or the server's side (bit 0), as seen by it or its peer
//            (bit 1); 4 close; 5 exit; 6 the kernel skipped `length` bytes; 7 out of order by
//            `length`; 8 end of stream; 9 time passes
//   where    connection (low 3 bits), process (next 2)
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/assembly/assembler.h"
#include "tests/support/chunker.h"
#include "tests/support/record_log.h"

namespace {

using namespace llmtap;

void require(bool ok) {
  if (!ok) std::abort();
}

class Replay {
 public:
  explicit Replay(std::size_t size) : size_(size), assembler_(limits(), log_) {}

  bool run(std::string_view input) {
    while (input.size() >= 4) {
      const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(input[i]); };
      const std::uint8_t control = at(0), where = at(1);
      const std::size_t length = at(2) * std::size_t{256} + at(3);
      input.remove_prefix(4);
      const std::string_view bytes = input.substr(0, length);
      now_ += 1000;
      act(control % 10, where, length, bytes);
      if (control % 10 < 4) input.remove_prefix(bytes.size());
      require(assembler_.memory() < limits().total_bytes + (std::size_t{8} << 20));
    }
    assembler_.finish(now_);
    require(assembler_.connections() == 0);
    bool hurt = hurt_;
    for (std::size_t i = 0; i < kLossReasons; ++i) {
      hurt = hurt || assembler_.losses().times(static_cast<LossReason>(i)) > 0;
    }
    return !hurt;
  }

  const testing::RecordLog& log() const { return log_; }

 private:
  static Limits limits() {
    Limits limits;
    limits.connections = 16;
    limits.total_bytes = std::size_t{4} << 20;
    limits.request_body = limits.response_body = limits.event = std::size_t{1} << 20;
    limits.reorder_bytes = std::size_t{64} << 10;
    return limits;
  }

  void act(std::uint8_t what, std::uint8_t where, std::size_t length, std::string_view bytes) {
    Chunk chunk;
    chunk.conn = {1u + (where >> 3) % 4u, where % 8u, 1};
    chunk.begin_ns = chunk.end_ns = now_;
    auto& offsets = offsets_[where % 32];
    switch (what) {
      case 4: chunk.kind = ChunkKind::kClose; break;
      case 5: chunk.kind = ChunkKind::kProcessExit; break;
      case 9: now_ += length * 1'000'000; return assembler_.advance(now_);
      case 8: chunk.direction = Direction::kRead; break;
      default: {
        chunk.direction = what & 1 ? Direction::kRead : Direction::kWrite;
        auto& offset = offsets[what & 1];
        if (what == 6 || what == 7) {
          hurt_ = true;
          offset += what == 6 ? length : 0;
          if (what == 7) offset -= std::min<std::uint64_t>(offset, length);
          return;
        }
        testing::in_pieces(bytes, size_, [&](std::string_view piece) {
          const std::string copy(piece);
          chunk.offset = offset;
          chunk.bytes = copy;
          offset += piece.size();
          assembler_.feed(chunk);
        });
        return;
      }
    }
    assembler_.feed(chunk);
  }

  std::size_t size_;
  testing::RecordLog log_;
  Assembler assembler_;
  std::array<std::array<std::uint64_t, 2>, 32> offsets_{};
  TimeNs now_ = 1;
  bool hurt_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  Replay whole(0), cut(1 + size % 61);
  const bool followed = whole.run(input);
  // Where another connection begins under the same name is told by a chunk's first bytes.
  const bool followed_cut = cut.run(input);
  if (followed && followed_cut) require(cut.log().records == whole.log().records);
  return 0;
}
