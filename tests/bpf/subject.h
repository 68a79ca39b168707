// SPDX-License-Identifier: Apache-2.0
//
// What the bpf tests observe with and what they observe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/capture/kernel_source.h"

namespace llmtap::test {

// Byte `offset` of every stream that tls_pingpong sends.
constexpr char pattern(std::uint64_t offset) {
  return static_cast<char>(offset * 131 + (offset >> 11) * 7 + 5);
}

// A running tls_pingpong, or one that obeys the same commands.
class Subject {
 public:
  explicit Subject(const char* program = LLMTAP_PINGPONG);
  ~Subject();  // ends it and waits
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  std::string ask(const std::string& command);
  void tell(const std::string& command);
  std::string answer();
  // `new`, `nested` and the like: the client's and the server's address.
  std::pair<std::uint64_t, std::uint64_t> connect(const std::string& command = "new");
  void finish();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  Fd in_, out_;
};

// A copy of this machine's libssl that only our subjects load: other programs' calls would be seen,
// and other taps measured.
std::string libssl_path();
// The exported functions, as a naive tap has them; and what our planner chooses.
ProbePlan exported_plan();
ProbePlan planned();

// A copy of a chunk whose bytes live on.
struct Seen {
  Chunk chunk;
  std::string bytes;
};

// A kernel source on libssl (or `file`) that collects. Throws with a clear message when it cannot
// be.
class Tap {
 public:
  explicit Tap(const KernelOptions& options = {}, const ProbePlan& plan = exported_plan(),
               const std::string& file = libssl_path());

  KernelSource& source() { return *source_; }
  AttachmentId attachment() const { return attachment_; }
  // Reads until nothing comes for 50 ms.
  void drain();
  const std::vector<Seen>& seen() const { return seen_; }
  void forget() { seen_.clear(); }

  // The data of one direction of one connection (any generation), in order of arrival.
  // `pid`: of this process only; another's connection may have the same address.
  std::vector<Seen> stream(std::uint64_t conn, Direction direction, pid_t pid = 0) const;
  std::size_t count(ChunkKind kind) const;
  // Everything that the kernel counted as lost, for whatever reason.
  std::uint64_t losses() const;

 private:
  std::unique_ptr<KernelSource> source_;
  AttachmentId attachment_ = 0;
  std::vector<Seen> seen_;
};

TimeNs unix_now();

// Bytes of a stream that arrived: in order, without a gap, each as pattern() has it. Or -1.
std::int64_t contiguous_bytes(const std::vector<Seen>& stream);

}  // namespace llmtap::test
