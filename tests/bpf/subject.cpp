// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/subject.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "userspace/base/clock.h"
#include "userspace/capture/elf.h"
#include "userspace/capture/probe_table.h"

namespace llmtap::test {
namespace {

const unsigned char* function(const char* name) {
  static void* const library = dlopen("libssl.so.3", RTLD_NOW);
  const auto* code = static_cast<const unsigned char*>(dlsym(library, name));
  if (code == nullptr) throw std::runtime_error(std::string("libssl.so.3 has no ") + name);
  return code;
}

// GNU ld gives the text segment equal addresses and file offsets.
std::uint64_t file_offset(const unsigned char* code) {
  Dl_info info{};
  dladdr(code, &info);
  return static_cast<std::uint64_t>(code - static_cast<const unsigned char*>(info.dli_fbase));
}

class PrivateLibssl {
 public:
  PrivateLibssl() {
    Dl_info info{};
    dladdr(function("SSL_read"), &info);
    if (mkdtemp(directory_) == nullptr) throw std::runtime_error("no temporary directory");
    std::filesystem::copy(std::filesystem::canonical(info.dli_fname), path());
    setenv("LD_LIBRARY_PATH", directory_, 1);
  }
  ~PrivateLibssl() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::string path() const { return std::string(directory_) + "/libssl.so.3"; }

 private:
  char directory_[32] = "/tmp/llmtap-libssl-XXXXXX";
};

ProbeSite site(const unsigned char* code, tls_call_shape shape, tls_direction direction) {
  ProbeSite result;
  result.file_offset = file_offset(code);
  result.cookie = TLS_COOKIE(shape, direction, TLS_LIB_OPENSSL);
  result.wants_return = shape != TLS_CALL_FREE;
  return result;
}

}  // namespace

Subject::Subject(const char* program) {
  libssl_path();  // the environment
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execl(program, program, nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  in_ = Fd(in[1]);
  out_ = Fd(out[0]);
}

Subject::~Subject() { finish(); }

void Subject::finish() {
  in_.reset();
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Subject::tell(const std::string& command) {
  const std::string line = command + "\n";
  if (write(in_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("tls_pingpong is gone");
  }
}

std::string Subject::answer() {
  std::string line;
  char c = 0;
  while (read(out_.get(), &c, 1) == 1) {
    if (c == '\n') return line;
    line += c;
  }
  throw std::runtime_error("tls_pingpong ended early");
}

std::string Subject::ask(const std::string& command) {
  tell(command);
  return answer();
}

std::pair<std::uint64_t, std::uint64_t> Subject::connect(const std::string& command) {
  const std::string line = ask(command);
  std::size_t used = 0;
  const auto first = std::stoull(line, &used, 16);
  return {first, std::stoull(line.substr(used), nullptr, 16)};
}

std::string libssl_path() {
  static const PrivateLibssl copy;
  return copy.path();
}

ProbePlan exported_plan() {
  ProbePlan plan;
  plan.sites = {site(function("SSL_read"), TLS_CALL_INT, TLS_READ),
                site(function("SSL_write"), TLS_CALL_INT, TLS_WRITE),
                site(function("SSL_read_ex"), TLS_CALL_EX, TLS_READ),
                site(function("SSL_write_ex"), TLS_CALL_EX, TLS_WRITE),
                site(function("SSL_free"), TLS_CALL_FREE, TLS_READ)};
  return plan;
}

ProbePlan planned() {
  auto file = ElfFile::open(libssl_path());
  if (!file) throw std::runtime_error(file.error().message);
  return plan_probes(*file);
}

Tap::Tap(const KernelOptions& options, const ProbePlan& plan, const std::string& file) {
  KernelOptions chosen = options;
  chosen.verbose = std::getenv("LLMTAP_BPF_VERBOSE") != nullptr;  // the verifier's log
  auto source = KernelSource::open(chosen);
  if (!source) {
    throw std::runtime_error("no eBPF here (LLMTAP_TEST_BPF=off leaves these tests out): " +
                             source.error().message);
  }
  source_ = std::move(*source);
  auto attached = source_->attach(file, plan);
  if (!attached) throw std::runtime_error(attached.error().message);
  attachment_ = *attached;
}

void Tap::drain() {
  for (;;) {
    auto got = source_->poll(std::chrono::milliseconds(50), [this](const Chunk& chunk) {
      seen_.push_back({chunk, std::string(chunk.bytes)});
    });
    if (!got) throw std::runtime_error(got.error().message);
    if (*got == 0) return;
  }
}

std::vector<Seen> Tap::stream(std::uint64_t conn, Direction direction, pid_t pid) const {
  std::vector<Seen> result;
  for (const auto& one : seen_) {
    if (one.chunk.kind == ChunkKind::kData && one.chunk.conn.conn == conn &&
        one.chunk.direction == direction &&
        (pid == 0 || one.chunk.conn.tgid == static_cast<std::uint32_t>(pid))) {
      result.push_back(one);
    }
  }
  return result;
}

std::size_t Tap::count(ChunkKind kind) const {
  std::size_t n = 0;
  for (const auto& one : seen_) n += one.chunk.kind == kind;
  return n;
}

std::uint64_t Tap::losses() const {
  const LossLedger ledger = source_->losses();
  std::uint64_t times = 0;
  for (std::size_t i = 0; i < kLossReasons; ++i) times += ledger.times(static_cast<LossReason>(i));
  return times;
}

TimeNs unix_now() { return unix_ns(); }

std::int64_t contiguous_bytes(const std::vector<Seen>& stream) {
  std::uint64_t at = 0;
  for (const auto& one : stream) {
    if (one.chunk.offset != at || one.chunk.missing != 0) return -1;
    for (const char c : one.bytes) {
      if (c != pattern(at++)) return -1;
    }
  }
  return static_cast<std::int64_t>(at);
}

}  // namespace llmtap::test
