// SPDX-License-Identifier: Apache-2.0
//
// Plaintext of sockets by port: every way to send and receive, what has no buffer, life and death.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "tests/bpf/subject.h"

namespace llmtap::test {
namespace {

using namespace std::chrono_literals;

// A child process with a TCP connection to itself. It runs `work` when told to.
class Child {
 public:
  Child(std::uint16_t port, const std::function<void(int client, int server)>& work) {
    REQUIRE(pipe(pipe_) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, name, sizeof(address)) != 0 || listen(listener, 8) != 0) _exit(1);
    char go = 0;
    if (read(pipe_[0], &go, 1) != 1) _exit(1);
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, name, sizeof(address)) != 0) _exit(2);
    work(client, accept(listener, nullptr, nullptr));
    close(listener);
    _exit(0);
  }
  ~Child() {
    if (pid_ > 0) kill(pid_, SIGKILL);  // -1 would be everybody
    finish();
    for (const int fd : pipe_) close(fd);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void go() { REQUIRE(write(pipe_[1], "g", 1) == 1); }
  int finish() {
    int status = -1;
    if (pid_ > 0) waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  pid_t pid() const { return pid_; }

 private:
  int pipe_[2] = {-1, -1};
  pid_t pid_ = -1;
};

// io_uring(7) by its system calls: one request at a time.
class IoRing {
 public:
  IoRing() {
    io_uring_params params{};
    fd_ = static_cast<int>(syscall(SYS_io_uring_setup, 4, &params));
    if (fd_ < 0) _exit(20);
    submitted_ = map(IORING_OFF_SQ_RING, params.sq_off.array + 4 * sizeof(unsigned));
    completed_ = map(IORING_OFF_CQ_RING, params.cq_off.cqes + 8 * sizeof(io_uring_cqe));
    entry_ = reinterpret_cast<io_uring_sqe*>(map(IORING_OFF_SQES, 4 * sizeof(io_uring_sqe)));
    offsets_ = params;
  }
  // 0: done, or under way.
  int submit(std::uint8_t operation, int socket, std::string& buffer) {
    *entry_ = {};
    entry_->opcode = operation;
    entry_->fd = socket;
    entry_->addr = reinterpret_cast<std::uint64_t>(buffer.data());
    entry_->len = static_cast<unsigned>(buffer.size());
    unsigned& tail = at(submitted_, offsets_.sq_off.tail);
    at(submitted_, offsets_.sq_off.array + sizeof(unsigned) * (tail & 3)) = 0;
    __atomic_store_n(&tail, tail + 1, __ATOMIC_RELEASE);
    return enter(1, 0) == 1 ? 0 : -1;
  }
  // Result of the oldest request.
  int wait() {
    unsigned& head = at(completed_, offsets_.cq_off.head);
    while (head == __atomic_load_n(&at(completed_, offsets_.cq_off.tail), __ATOMIC_ACQUIRE))
      if (enter(0, 1) < 0) return -1;
    const auto* const results =
        reinterpret_cast<const io_uring_cqe*>(completed_ + offsets_.cq_off.cqes);
    const int result = results[head & (offsets_.cq_entries - 1)].res;
    __atomic_store_n(&head, head + 1, __ATOMIC_RELEASE);
    return result;
  }

 private:
  char* map(std::uint64_t what, std::size_t size) const {
    void* const where = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_,
                             static_cast<off_t>(what));
    if (where == MAP_FAILED) _exit(21);
    return static_cast<char*>(where);
  }
  static unsigned& at(char* ring, unsigned offset) {
    return *reinterpret_cast<unsigned*>(ring + offset);
  }
  int enter(unsigned submit, unsigned complete) const {
    return static_cast<int>(syscall(SYS_io_uring_enter, fd_, submit, complete,
                                    complete ? IORING_ENTER_GETEVENTS : 0, nullptr, 0));
  }

  int fd_ = -1;
  char *submitted_ = nullptr, *completed_ = nullptr;
  io_uring_sqe* entry_ = nullptr;
  io_uring_params offsets_{};
};

std::uint16_t free_port() {
  const Fd any(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  REQUIRE(bind(any.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(any.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

KernelOptions plain(std::uint16_t port, std::chrono::milliseconds linger = 60s) {
  KernelOptions options;
  options.plain = PlainOptions{{port}, false, linger};
  return options;
}

bool becomes(const KernelSource& source, bool attached) {
  for (int i = 0; i < 100 && source.sockets()->attached() != attached; ++i) {
    std::this_thread::sleep_for(50ms);
  }
  return source.sockets()->attached() == attached;
}

// The data of one direction, of all plaintext connections that begin with it.
std::vector<Seen> plain_stream(const Tap& tap, Direction direction) {
  std::map<ConnId, Direction> first;
  std::vector<Seen> stream;
  for (const auto& one : tap.seen()) {
    if (one.chunk.kind != ChunkKind::kData || !(one.chunk.conn.conn & TLS_CONN_PLAIN)) continue;
    first.try_emplace(one.chunk.conn, one.chunk.direction);
    if (first[one.chunk.conn] == direction && one.chunk.direction == direction)
      stream.push_back(one);
  }
  return stream;
}

// Bytes that came, each as pattern() has it at its offset; or -1.
std::int64_t right_bytes(const std::vector<Seen>& stream) {
  std::int64_t count = 0;
  for (const auto& one : stream) {
    for (std::size_t i = 0; i < one.bytes.size(); ++i, ++count) {
      if (one.bytes[i] != pattern(one.chunk.offset + i)) return -1;
    }
  }
  return count;
}

std::uint64_t end_of(const std::vector<Seen>& stream) {
  const auto& last = stream.back();
  return last.chunk.offset + last.bytes.size() + last.chunk.missing;
}

std::string piece(std::uint64_t offset, std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = pattern(offset + i);
  return text;
}

bool receive(int fd, std::size_t size) {
  std::string buffer(size, '\0');
  return recv(fd, buffer.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

}  // namespace

TEST_CASE("plain: every way to send and to receive", "[bpf]") {
  const auto port = free_port();
  Tap tap(plain(port));
  CHECK_FALSE(tap.source().sockets()->attached());
  Child child(port, [](int client, int server) {
    std::string a = piece(0, 100), b = piece(100, 5000), c = piece(5100, 1), d = piece(5101, 40000);
    std::string e = piece(45101, 300), buffer(60000, '\0');
    iovec two[] = {{b.data(), b.size()}, {nullptr, 0}, {c.data(), c.size()}};
    iovec one = {e.data(), e.size()};
    msghdr message{};
    message.msg_iov = &one;
    message.msg_iovlen = 1;
    if (write(client, a.data(), a.size()) != 100 || writev(client, two, 3) != 5001 ||
        send(client, d.data(), d.size(), 0) != 40000 || sendmsg(client, &message, 0) != 300)
      _exit(3);
    iovec in[] = {{buffer.data(), 10}, {buffer.data() + 20, 4990}};
    if (recv(server, buffer.data(), 100, MSG_PEEK) != 100 ||
        read(server, buffer.data(), 90) != 90 || readv(server, in, 2) != 5000 ||
        dup2(server, 100) != 100 || !receive(100, 40000))
      _exit(4);
    message.msg_iov = in;
    message.msg_iovlen = 2;
    if (recvmsg(server, &message, 0) != 311) _exit(5);
    shutdown(client, SHUT_WR);
    if (read(server, buffer.data(), 10) != 0) _exit(6);
    close(server);
    usleep(100'000);  // descriptor 100 is still open
    if (send(100, "x", 1, 0) != 1) _exit(7);
  });
  REQUIRE(becomes(tap.source(), true));
  child.go();
  REQUIRE(child.finish() == 0);
  tap.drain();
  const auto written = plain_stream(tap, Direction::kWrite);
  const auto read = plain_stream(tap, Direction::kRead);
  CHECK(right_bytes(written) == 45401);
  CHECK(end_of(written) == 45401);
  CHECK(right_bytes(read) == 45401);
  CHECK(read.back().bytes.empty());  // the end of the stream was read
  CHECK(read.back().chunk.missing == 0);
  CHECK(tap.count(ChunkKind::kSocket) == 2);
  CHECK(tap.count(ChunkKind::kClose) == 2);
  CHECK(tap.losses() == 0);
  const CaptureCounts counts = tap.source().counts();
  CHECK(counts.bytes == 2 * 45401 + 1);
  CHECK(counts.bytes_under_way() == 0);
  std::vector<SocketPair> pairs;
  for (const auto& one : tap.seen())
    if (one.chunk.kind == ChunkKind::kSocket) pairs.push_back(one.chunk.socket);
  CHECK(mirrors(pairs.at(0), pairs.at(1)));
  CHECK(pairs[0].remote.port == port);
}

TEST_CASE("plain: what no buffer holds is a gap of the right size", "[bpf]") {
  const auto port = free_port();
  Tap tap(plain(port));
  Child child(port, [](int client, int server) {
    const std::string a = piece(0, 50), b = piece(50, 3000), c = piece(3050, 20);
    const int file = memfd_create("body", 0);
    int pipe_fds[2];
    off_t start = 0;
    std::string buffer(1000, '\0');
    if (write(file, b.data(), b.size()) != 3000 || write(client, a.data(), 50) != 50 ||
        sendfile(client, file, &start, 3000) != 3000 || write(client, c.data(), 20) != 20)
      _exit(3);
    if (pipe(pipe_fds) != 0 || !receive(server, 100)) _exit(4);
    for (ssize_t left = 1000; left > 0;) {
      left -= splice(server, nullptr, pipe_fds[1], nullptr, static_cast<size_t>(left), 0);
    }
    if (!receive(server, 1970)) _exit(5);
    // More vectors than are looked at.
    std::vector<iovec> many;
    for (int i = 0; i < 100; ++i) many.push_back({buffer.data(), 3});
    if (writev(client, many.data(), 100) != 300) _exit(6);
  });
  REQUIRE(becomes(tap.source(), true));
  child.go();
  REQUIRE(child.finish() == 0);
  tap.drain();
  const auto written = plain_stream(tap, Direction::kWrite);
  REQUIRE(written.size() > 3);
  CHECK(written[1].chunk.missing == 3000);
  CHECK(written[2].chunk.offset == 3050);
  CHECK(end_of(written) == 3070 + 300);
  const auto read = plain_stream(tap, Direction::kRead);
  CHECK(right_bytes(read) == 2070);
  CHECK(end_of(read) == 3070);
  CHECK(tap.source().losses().bytes(LossReason::kNoBuffer) == 3000 + 1000 + (300 - 64 * 3));
  CHECK(tap.source().counts().bytes_under_way() == 0);
}

// The kernel does what a ring asks for within io_uring_enter, or, when the data came later, on the
// way out of whatever system call the thread is in by then: whose buffer is not the ring's.
TEST_CASE("plain: io_uring moves bytes that nobody's buffer holds", "[bpf]") {
  const auto port = free_port();
  Tap tap(plain(port));
  Child child(port, [](int client, int server) {
    IoRing ring;
    std::string a = piece(0, 700), b = piece(700, 300), buffer(4096, '\0');
    std::string other(2000, 'x');
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0 || ring.submit(IORING_OP_SEND, client, a) != 0) _exit(3);
    if (ring.wait() != 700) _exit(4);
    buffer.resize(700);
    if (ring.submit(IORING_OP_RECV, server, buffer) != 0 || ring.wait() != 700) _exit(5);
    // Nothing is there yet: the ring waits for it, and so does the thread, for something else.
    buffer.resize(300);
    if (ring.submit(IORING_OP_RECV, server, buffer) != 0) _exit(6);
    const pid_t sender = fork();
    if (sender == 0) {
      usleep(100'000);
      if (write(client, b.data(), b.size()) != 300) _exit(1);
      usleep(100'000);
      _exit(write(pipe_fds[1], "end", 3) == 3 ? 0 : 1);
    }
    if (read(pipe_fds[0], other.data(), other.size()) != 3) _exit(7);
    if (ring.wait() != 300 || buffer != piece(700, 300)) _exit(8);
  });
  REQUIRE(becomes(tap.source(), true));
  child.go();
  REQUIRE(child.finish() == 0);
  tap.drain();
  const auto written = plain_stream(tap, Direction::kWrite);
  REQUIRE(written.size() == 2);
  CHECK(written[0].chunk.missing == 700);
  CHECK(right_bytes(written) == 300);  // the child's write
  CHECK(end_of(written) == 1000);
  const auto read = plain_stream(tap, Direction::kRead);
  CHECK(right_bytes(read) == 0);
  CHECK(end_of(read) == 1000);
  CHECK(tap.source().losses().bytes(LossReason::kNoBuffer) == 700 + 1000);
  CHECK(tap.source().counts().bytes_under_way() == 0);
}

TEST_CASE("plain: another port, an ignored and a late socket", "[bpf]") {
  const auto port = free_port();
  const auto talk = [](int client, int server) {
    for (int i = 0; i < 25; ++i) {
      if (write(client, "ping", 4) != 4 || !receive(server, 4)) _exit(3);
      usleep(80'000);  // longer than drain() waits
    }
  };
  SECTION("of no interest") {
    Tap tap(plain(port));
    Child child(free_port(), talk);
    child.go();
    REQUIRE(child.finish() == 0);
    tap.drain();
    CHECK_FALSE(tap.source().sockets()->attached());
    CHECK(tap.seen().empty());
  }
  SECTION("ignored from the first bytes on") {
    Tap tap(plain(port));
    Child child(port, talk);
    REQUIRE(becomes(tap.source(), true));
    child.go();
    while (plain_stream(tap, Direction::kWrite).empty() ||
           plain_stream(tap, Direction::kRead).empty())
      tap.drain();
    for (const auto& stream :
         {plain_stream(tap, Direction::kWrite), plain_stream(tap, Direction::kRead)})
      REQUIRE(tap.source().set_verdict(stream.at(0).chunk.conn, TLS_VERDICT_IGNORE));
    tap.drain();
    tap.forget();
    REQUIRE(child.finish() == 0);
    tap.drain();
    CHECK(plain_stream(tap, Direction::kWrite).empty());
    CHECK(tap.count(ChunkKind::kClose) == 2);
  }
  SECTION("open before the tap was") {
    Child child(port, talk);
    child.go();
    std::this_thread::sleep_for(100ms);
    Tap tap(plain(port));
    REQUIRE(becomes(tap.source(), true));
    REQUIRE(child.finish() == 0);
    tap.drain();
    const auto written = plain_stream(tap, Direction::kWrite);
    REQUIRE(written.size() > 5);
    CHECK(written[0].chunk.offset == 0);
    CHECK(written[0].bytes == "ping");
  }
}

TEST_CASE("plain: attached while there is a socket of interest, and a while longer", "[bpf]") {
  const auto port = free_port();
  Tap tap(plain(port, 300ms));
  CHECK(tap.source().sockets()->live() == 0);
  {
    Child child(port, [](int, int) {});
    CHECK(becomes(tap.source(), true));
    CHECK(tap.source().sockets()->live() == 1);
    child.go();
    child.finish();
  }
  CHECK(becomes(tap.source(), false));
  CHECK(tap.source().sockets()->live() == 0);
  Child again(port, [](int, int) {});
  CHECK(becomes(tap.source(), true));
  CHECK(tap.source().sockets()->attached_times() == 2);
}

}  // namespace llmtap::test
