// SPDX-License-Identifier: Apache-2.0
//
// The probes of one plan in one file, and their counters. They are gone when it goes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/fd.h"
#include "userspace/capture/kernel_features.h"
#include "userspace/capture/kernel_source.h"
#include "userspace/capture/probe_link.h"
#include "userspace/capture/probe_site.h"
#include "userspace/capture/site_counters.h"

namespace llmtap {

// The kernel programs of one kind of site. Descriptors are borrowed; -1: none.
struct ProgramPair {
  int enter = -1;
  int leave = -1;                 // a session has none: its entry program is called twice
  std::uint32_t attach_type = 0;  // of multi links
};

// Loaded programs of one way of attaching, by shape of the call.
struct ProgramSet {
  AttachMode mode = AttachMode::kSession;
  ProgramPair calls;  // entry and return
  ProgramPair go;     // one place inside a function
  ProgramPair aead;   // one call per record
  ProgramPair hello;  // the first record of a connection that cannot be seen

  const ProgramPair& of(std::uint64_t cookie) const;
};

// Whether the site's records are told apart by keys: needs the system calls to find the socket.
bool is_aead(std::uint64_t cookie);

class Attachment {
 public:
  // `counters` must outlive the attachment.
  static Result<Attachment> create(const std::string& path, const ProbePlan& plan, pid_t pid,
                                   const ProgramSet& programs, SiteCounters& counters);
  Attachment(Attachment&&) = default;
  Attachment& operator=(Attachment&&) = delete;
  ~Attachment();

  std::vector<SiteHits> hits() const;

 private:
  explicit Attachment(SiteCounters& counters) : counters_(&counters) {}
  Status link_all(const std::string& path, pid_t pid, const ProgramSet& programs);
  Status link_multi(const std::string& path, pid_t pid, int program, std::uint32_t attach_type,
                    const std::vector<ProbeSite>& sites, bool at_return);
  Status link_each(const std::string& path, pid_t pid, int program,
                   const std::vector<ProbeSite>& sites, bool at_return);

  SiteCounters* counters_;
  std::vector<ProbeSite> sites_;  // with the cookies as attached
  std::vector<Fd> links_;
};

}  // namespace llmtap
