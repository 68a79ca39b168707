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

// Loaded programs of one way of attaching (borrowed descriptors). A session has no `leave`.
struct ProgramSet {
  AttachMode mode = AttachMode::kSession;
  int enter = -1;
  int leave = -1;
};

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
  Status link_multi(const std::string& path, pid_t pid, const ProgramSet& programs, bool at_return);
  Status link_each(const std::string& path, pid_t pid, const ProgramSet& programs, bool at_return);

  SiteCounters* counters_;
  std::vector<ProbeSite> sites_;        // with the cookies as attached
  std::vector<Fd> links_;
};

}  // namespace llmtap
