// SPDX-License-Identifier: Apache-2.0
//
// The eBPF side of capture: loads the programs, attaches them to files, turns ring buffer events
// into chunks, and tells the kernel what to leave out.
//
// poll() belongs to one thread; everything else may be called from any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/tls_event.h"
#include "parsers/core/loss.h"
#include "userspace/capture/capture_counts.h"
#include "userspace/capture/chunk_source.h"
#include "userspace/capture/kernel_features.h"
#include "userspace/capture/probe_site.h"
#include "userspace/capture/socket_watch.h"

namespace llmtap {

struct KernelOptions {
  std::uint32_t ring_bytes = 64U << 20;  // a power of two, at least a page; kernel memory
  std::uint32_t connections = 65536;     // tracked at once; the least recently used one goes
  std::optional<AttachMode> mode;        // default: the best that the kernel can do
  bool targets_only = false;             // observe only what add_target names, and its children
  std::optional<PlainOptions> plain;     // plaintext of sockets, by port; default: none
  // A process has begun a connection whose plaintext is out of reach (JSSE), to this host. Called
  // from poll(). May be empty.
  std::function<void(pid_t, const std::string& host)> on_unseen;
  bool verbose = false;  // libbpf's own messages on stderr
};

// Names one attached file; 0 is never used.
using AttachmentId = std::uint64_t;

struct ProcessUse {
  pid_t pid = 0;
  std::uint64_t calls = 0;  // TLS calls on connections that are still open
  bool llm = false;         // one of them carries LLM calls
  bool judged = false;      // at least one is known to be something else
};

struct SiteHits {
  ProbeSite site;
  tls_site_count count;
};

class KernelSource final : public ChunkSource {
 public:
  // Loads and starts the process tracepoints. Errors say in one line what the host is missing.
  static Result<std::unique_ptr<KernelSource>> open(const KernelOptions& options = {});
  ~KernelSource() override;

  AttachMode mode() const;

  // Attaches all sites of the plan to the file (also /proc/self/fd/N), in every process that maps
  // it or, with `pid`, in that process only (sessions and C libraries only). All or nothing. Two
  // attachments of one such file at a time are no harm: a call is delivered once.
  Result<AttachmentId> attach(const std::string& path, const ProbePlan& plan, pid_t pid = 0);
  // Blocks until the kernel let go of the probes. Unknown ids are ignored.
  void detach(AttachmentId id);
  // Counts since the attach, in the plan's order; empty for unknown ids.
  std::vector<SiteHits> hits(AttachmentId id) const;

  // After a wake-up this waits 1 ms more, so that producers are not woken for every event.
  Result<std::size_t> poll(std::chrono::milliseconds timeout, const OnChunk& on_chunk) override;
  bool finished() const override { return false; }

  // False: the connection is gone, or was replaced by another at the same address.
  bool set_verdict(const ConnId& conn, tls_verdict verdict);
  // Observe this process and the children it will have. Only with targets_only.
  Status add_target(pid_t tgid);

  // Takes all probes away; further attaches fail. What is in the ring can still be polled.
  void stop() override;

  // What each process did since the last time this was asked. Walks all connections: not often.
  std::vector<ProcessUse> take_process_use();
  // Bytes of this process were seen since it started, or since its current image did.
  bool speaks(pid_t pid) const;

  // Any thread; the members about processes stay 0.
  CaptureCounts counts() const;
  // Null where the kernel cannot tell what sockets carry.
  const SocketWatch* sockets() const;

  // What the kernel could not deliver, since load.
  LossLedger losses() const { return counts().lost; }

 private:
  struct State;
  explicit KernelSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
