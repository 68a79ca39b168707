// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/recording.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>

namespace llmtap {
namespace {

constexpr std::string_view kMagic = "LLMTAPR1";
constexpr std::uint32_t kLongestChunk = 64U << 20;

struct Head {
  std::uint32_t tgid;
  std::uint8_t kind;
  std::uint8_t direction;
  std::uint16_t zero;
  std::uint64_t conn, generation, offset, begin_ns, end_ns, missing;
  std::uint32_t length;
  std::uint32_t zero2;
};
static_assert(sizeof(Head) == 64 && std::endian::native == std::endian::little);

// Payload of a kSocket chunk.
struct Socket {
  std::uint8_t local[16], remote[16];
  std::uint16_t local_port, remote_port;
  std::uint32_t netns;
  std::uint32_t inferred;  // earlier recordings end before it
};
static_assert(sizeof(Socket) == 44);

std::string pack(const SocketPair& pair) {
  Socket socket{{}, {}, pair.local.port, pair.remote.port, pair.netns, pair.inferred ? 1U : 0U};
  std::copy(pair.local.address.begin(), pair.local.address.end(), socket.local);
  std::copy(pair.remote.address.begin(), pair.remote.address.end(), socket.remote);
  return {reinterpret_cast<const char*>(&socket), sizeof(socket)};
}

SocketPair unpack(std::string_view bytes) {
  Socket socket{};
  std::memcpy(&socket, bytes.data(), std::min(bytes.size(), sizeof(socket)));
  SocketPair pair;
  std::copy(std::begin(socket.local), std::end(socket.local), pair.local.address.begin());
  std::copy(std::begin(socket.remote), std::end(socket.remote), pair.remote.address.begin());
  pair.local.port = socket.local_port;
  pair.remote.port = socket.remote_port;
  pair.netns = socket.netns;
  pair.inferred = socket.inferred != 0;
  return pair;
}

Error system_error(const std::string& what) { return Error{what + ": " + std::strerror(errno)}; }

}  // namespace

Result<std::unique_ptr<RecordingSource>> RecordingSource::create(const std::string& path,
                                                                 ChunkSource& source) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return system_error(path);
  std::unique_ptr<RecordingSource> recording(new RecordingSource(std::move(fd), source));
  recording->buffer_ = kMagic;
  if (auto status = recording->write_out(); !status) return status.error();
  return recording;
}

Result<std::size_t> RecordingSource::poll(std::chrono::milliseconds timeout,
                                          const OnChunk& on_chunk) {
  auto count = source_.poll(timeout, [&](const Chunk& chunk) {
    append(chunk);
    on_chunk(chunk);
  });
  if (!count) return count;
  if (auto status = write_out(); !status) return status.error();
  return count;
}

void RecordingSource::append(const Chunk& chunk) {
  const std::string socket = chunk.kind == ChunkKind::kSocket ? pack(chunk.socket) : std::string();
  const std::string_view bytes = chunk.kind == ChunkKind::kSocket ? socket : chunk.bytes;
  const Head head{chunk.conn.tgid,
                  static_cast<std::uint8_t>(chunk.kind),
                  static_cast<std::uint8_t>(chunk.direction),
                  0,
                  chunk.conn.conn,
                  chunk.conn.generation,
                  chunk.offset,
                  chunk.begin_ns,
                  chunk.end_ns,
                  chunk.missing,
                  static_cast<std::uint32_t>(bytes.size()),
                  0};
  buffer_.append(reinterpret_cast<const char*>(&head), sizeof head);
  buffer_ += bytes;
}

Status RecordingSource::write_out() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const auto written = ::write(fd_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error("recording");
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  bytes_ += buffer_.size();
  buffer_.clear();
  return Unit{};
}

Result<std::unique_ptr<ReplaySource>> ReplaySource::open(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error(path);
  std::unique_ptr<ReplaySource> replay(new ReplaySource(std::move(fd)));
  std::string magic(kMagic.size(), '\0');
  auto whole = replay->read(magic.data(), magic.size());
  if (!whole) return whole.error();
  if (!*whole || magic != kMagic) return Error{path + ": not a recording of `llmtap record`"};
  return replay;
}

Result<bool> ReplaySource::read(void* out, std::size_t size) {
  auto* bytes = static_cast<char*>(out);
  for (std::size_t done = 0; done < size;) {
    const auto got = ::read(fd_.get(), bytes + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("recording");
    if (got == 0 && done == 0) return false;
    if (got == 0) return Error{"the recording is cut off"};
    done += static_cast<std::size_t>(got);
  }
  return true;
}

Result<std::size_t> ReplaySource::poll(std::chrono::milliseconds, const OnChunk& on_chunk) {
  Head head{};
  auto whole = read(&head, sizeof head);
  if (!whole) return whole.error();
  if (!*whole) {
    finished_ = true;
    return std::size_t{0};
  }
  if (head.length > kLongestChunk || head.kind > static_cast<std::uint8_t>(ChunkKind::kSocket) ||
      head.direction > static_cast<std::uint8_t>(Direction::kRead)) {
    return Error{"the recording is damaged"};
  }
  bytes_.resize(head.length);
  whole = read(bytes_.data(), bytes_.size());
  if (!whole) return whole.error();
  if (!*whole) return Error{"the recording is cut off"};
  Chunk chunk;
  chunk.conn = {head.tgid, head.conn, head.generation};
  chunk.kind = static_cast<ChunkKind>(head.kind);
  chunk.direction = static_cast<Direction>(head.direction);
  chunk.offset = head.offset;
  chunk.begin_ns = head.begin_ns;
  chunk.end_ns = last_ns_ = head.end_ns;
  chunk.missing = head.missing;
  if (chunk.kind == ChunkKind::kSocket) {
    chunk.socket = unpack(bytes_);
  } else {
    chunk.bytes = bytes_;
  }
  on_chunk(chunk);
  return std::size_t{1};
}

}  // namespace llmtap
