// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/attachment.h"

#include <algorithm>
#include <iterator>
#include <map>

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

bool is_aead(std::uint64_t cookie) {
  const auto shape = TLS_COOKIE_SHAPE(cookie);
  return shape >= TLS_CALL_AWSLC_SEAL && shape <= TLS_CALL_RING_OPEN;
}

const ProgramPair& ProgramSet::of(std::uint64_t cookie) const {
  if (is_aead(cookie)) return aead;
  switch (TLS_COOKIE_SHAPE(cookie)) {
    case TLS_CALL_GO_WRITE:
    case TLS_CALL_GO_READ:
      return go;
    case TLS_CALL_JAVA_WRITE:
    case TLS_CALL_JAVA_WRITEV:
      return hello;
    default:
      return calls;
  }
}

// Per kind of program one link for entries and one for returns. Entries first: a return is then
// only seen when its entry was.
Status Attachment::link_all(const std::string& path, pid_t pid, const ProgramSet& programs) {
  std::map<const ProgramPair*, std::vector<ProbeSite>> by_program;
  for (const auto& site : sites_) by_program[&programs.of(site.cookie)].push_back(site);
  for (const auto& [pair, entries] : by_program) {
    std::vector<ProbeSite> returns;
    if (pair->leave >= 0) {
      std::copy_if(entries.begin(), entries.end(), std::back_inserter(returns),
                   [](const ProbeSite& site) { return site.wants_return; });
    }
    for (const bool at_return : {false, true}) {
      const auto& sites = at_return ? returns : entries;
      const int program = at_return ? pair->leave : pair->enter;
      if (sites.empty()) continue;
      auto linked = programs.mode == AttachMode::kPerf
                        ? link_each(path, pid, program, sites, at_return)
                        : link_multi(path, pid, program, pair->attach_type, sites, at_return);
      if (!linked) return linked;
    }
  }
  return Unit{};
}

Status Attachment::link_multi(const std::string& path, pid_t pid, int program,
                              std::uint32_t attach_type, const std::vector<ProbeSite>& sites,
                              bool at_return) {
  std::vector<std::uint64_t> offsets, cookies;
  for (const auto& site : sites) {
    offsets.push_back(site.file_offset);
    cookies.push_back(site.cookie);
  }
  auto link = link_uprobe_multi(program, attach_type, {path, offsets, cookies, pid, at_return});
  if (!link) return link.error();
  links_.push_back(std::move(*link));
  return Unit{};
}

Status Attachment::link_each(const std::string& path, pid_t pid, int program,
                             const std::vector<ProbeSite>& sites, bool at_return) {
  for (const auto& site : sites) {
    auto link = link_uprobe_perf(program, path, site.file_offset, site.cookie, at_return, pid);
    if (!link) return link.error();
    links_.push_back(std::move(*link));
  }
  return Unit{};
}

}  // namespace llmtap
