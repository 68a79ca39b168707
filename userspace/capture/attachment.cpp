// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/attachment.h"

namespace llmtap {
namespace {

constexpr std::uint32_t kSiteShift = 32;

}  // namespace

Result<Attachment> Attachment::create(const std::string& path, const ProbePlan& plan, pid_t pid,
                                      const ProgramSet& programs, SiteCounters& counters) {
  if (plan.sites.empty()) return Error{"nothing to probe in " + path + ": " + plan.reason};
  Attachment attachment(counters);
  for (ProbeSite site : plan.sites) {
    site.cookie |= static_cast<std::uint64_t>(counters.take()) << kSiteShift;
    attachment.sites_.push_back(std::move(site));
  }
  if (auto linked = attachment.link_all(path, pid, programs); !linked) return linked.error();
  return attachment;
}

Attachment::~Attachment() {
  links_.clear();  // first, so that nothing counts on an index given back
  for (const auto& site : sites_) counters_->give_back(TLS_COOKIE_SITE(site.cookie));
}

std::vector<SiteHits> Attachment::hits() const {
  std::vector<SiteHits> hits;
  for (const auto& site : sites_) {
    hits.push_back({site, counters_->read(TLS_COOKIE_SITE(site.cookie))});
  }
  return hits;
}

// Entries before returns: a return is then only seen when its entry was.
Status Attachment::link_all(const std::string& path, pid_t pid, const ProgramSet& programs) {
  const auto link = programs.mode == AttachMode::kPerf ? &Attachment::link_each
                                                       : &Attachment::link_multi;
  if (auto entries = (this->*link)(path, pid, programs, false); !entries) return entries;
  if (programs.mode == AttachMode::kSession) return Unit{};
  return (this->*link)(path, pid, programs, true);
}

Status Attachment::link_multi(const std::string& path, pid_t pid, const ProgramSet& programs,
                              bool at_return) {
  std::vector<std::uint64_t> offsets, cookies;
  for (const auto& site : sites_) {
    if (at_return && !site.wants_return) continue;
    offsets.push_back(site.file_offset);
    cookies.push_back(site.cookie);
  }
  if (offsets.empty()) return Unit{};
  const auto type =
      programs.mode == AttachMode::kSession ? kAttachUprobeSession : kAttachUprobeMulti;
  auto link = link_uprobe_multi(at_return ? programs.leave : programs.enter, type,
                                {path, offsets, cookies, pid, at_return});
  if (!link) return link.error();
  links_.push_back(std::move(*link));
  return Unit{};
}

Status Attachment::link_each(const std::string& path, pid_t pid, const ProgramSet& programs,
                             bool at_return) {
  for (const auto& site : sites_) {
    if (at_return && !site.wants_return) continue;
    auto link = link_uprobe_perf(at_return ? programs.leave : programs.enter, path,
                                 site.file_offset, site.cookie, at_return, pid);
    if (!link) return link.error();
    links_.push_back(std::move(*link));
  }
  return Unit{};
}

}  // namespace llmtap
