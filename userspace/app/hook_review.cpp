// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/hook_review.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "userspace/base/log.h"
#include "userspace/capture/process_maps.h"
#include "userspace/capture/process_notes.h"

namespace llmtap {
namespace {

using Clock = std::chrono::steady_clock;

// A closing connection sends an alert, which no probe sees; a request is longer.
constexpr std::uint64_t kLeastSent = 256;
constexpr int kSilentLooks = 2;

std::string name_of_process(pid_t pid) {
  const std::string exe = process_link(pid, "exe");
  return exe.substr(exe.rfind('/') + 1) + " (pid " + std::to_string(pid) + ")";
}

// Bytes sent since the last look on sockets that were there then.
std::uint64_t growth(const SentBytes& before, const SentBytes& now) {
  std::uint64_t sum = 0;
  for (const auto& [inode, bytes] : now) {
    const auto known = before.find(inode);
    if (known != before.end() && bytes > known->second) sum += bytes - known->second;
  }
  return sum;
}

}  // namespace

HookReview::HookReview(KernelSource& source, ProcessWatch& watch, const ReviewOptions& options)
    : source_(source), watch_(watch), options_(options), last_(Clock::now()), busy_(options.busy) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "hook-review");
}

HookReview::~HookReview() { stop(); }

void HookReview::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  if (!options_.notes.empty()) remove_notes(options_.notes);
}

void HookReview::speaks_llm(pid_t pid) {
  const std::lock_guard lock(mutex_);
  busy_.speaks_llm(pid);
}

void HookReview::unseen(pid_t pid, const std::string& host) {
  ++unseen_count_;
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    is_new = ++unseen_[pid][host] == 1;
    unseen_news_ = true;
  }
  if (is_new)
    log_warning("unseen: " + name_of_process(pid) + " talks to " + host +
                " by Java's own TLS (JSSE), which probes cannot read");
}

void HookReview::process_gone(pid_t pid) {
  const std::lock_guard lock(mutex_);
  busy_.gone(pid);
  unseen_.erase(pid);
}

void HookReview::run() {
  write_notes();
  for (int turn = 1;; ++turn) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, options_.interval, [this] { return stopping_; })) return;
    }
    review_busy();
    if (unseen_news_now()) write_notes();
    if (options_.watch_silence && turn % options_.silence_every == 0) review_silence();
  }
}

void HookReview::review_busy() {
  const auto now = Clock::now();
  const auto interval =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - std::exchange(last_, now));
  const std::uint64_t entered = source_.counts().entered;
  const std::uint64_t calls = entered - std::exchange(entered_, entered);
  const bool any_busy =
      calls * 1000 >= options_.busy.calls_per_second * static_cast<std::uint64_t>(interval.count());
  // Nobody can be busy: the connections need not be walked.
  const auto uses = any_busy && options_.busy.calls_per_second != 0 ? source_.take_process_use()
                                                                    : std::vector<ProcessUse>{};
  for (const auto& use : uses)
    if (interval.count() > 0)
      rates_[use.pid] = use.calls * 1000 / static_cast<std::uint64_t>(interval.count());
  std::set<pid_t> left_out;
  {
    const std::lock_guard lock(mutex_);
    busy_.judge(uses, interval, now);
    left_out = busy_.left_out();
  }
  if (left_out.empty() && unhooked_.empty()) return;
  // Also when nobody is new: who shares their files changes.
  const auto before = std::exchange(unhooked_, watch_.leave_out(left_out));
  if (unhooked_ == before) return;
  left_out_ = unhooked_.size();
  say_left_out(before);
  write_notes();
  rates_.clear();
}

void HookReview::say_left_out(const std::set<pid_t>& before) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(options_.busy.retry);
  for (const pid_t pid : unhooked_) {
    if (before.count(pid) != 0) continue;
    log_info("left unhooked: " + name_of_process(pid) + ", " + std::to_string(rates_[pid]) +
             " TLS calls per second and none for an LLM; its calls are not seen for " +
             std::to_string(minutes.count()) + " minutes");
  }
  for (const pid_t pid : before)
    if (unhooked_.count(pid) == 0 && process_exists(pid))
      log_info("hooked again: " + name_of_process(pid));
}

void HookReview::review_silence() {
  TcpTraffic traffic;
  std::map<pid_t, Quiet> quiet;
  std::set<pid_t> silent;
  for (const auto& process : watch_.processes()) {
    const bool hooked = std::any_of(
        process.files.begin(), process.files.end(),
        [&](const TlsFile& file) { return file.hooks(process.pid) && file.readable(); });
    if (!hooked || source_.speaks(process.pid)) continue;
    Quiet now{traffic.of(process.pid), 0};
    if (now.sent.empty()) continue;
    if (const auto before = quiet_.find(process.pid); before != quiet_.end()) {
      const bool sends = growth(before->second.sent, now.sent) >= kLeastSent;
      now.looks = before->second.looks + (sends ? 1 : 0);
    }
    if (now.looks >= kSilentLooks) silent.insert(process.pid);
    quiet.emplace(process.pid, std::move(now));
  }
  quiet_ = std::move(quiet);
  if (silent == silent_pids_) return;
  for (const pid_t pid : silent)
    if (silent_pids_.count(pid) == 0)
      log_warning("attached but silent: " + name_of_process(pid) +
                  " sends over HTTPS and none of its probes sees it: it uses another TLS library, "
                  "or a version that the probes do not fit, or passes on what others encrypted");
  silent_pids_ = std::move(silent);
  silent_ = silent_pids_.size();
  write_notes();
}

bool HookReview::unseen_news_now() {
  const std::lock_guard lock(mutex_);
  return std::exchange(unseen_news_, false);
}

void HookReview::write_notes() {
  if (options_.notes.empty()) return;
  ProcessNotes notes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pid, hosts] : unseen_)
      for (const auto& [host, count] : hosts)
        notes[pid] += (notes[pid].empty() ? "unseen: " : ", ") + std::to_string(count) +
                      (count == 1 ? " connection to " : " connections to ") + host;
  }
  for (const pid_t pid : unhooked_)
    notes[pid] = "left unhooked by the daemon: busy, and no LLM call seen; looked at again later";
  for (const pid_t pid : silent_pids_)
    notes[pid] = "attached but silent: sends over HTTPS, and none of its probes sees it";
  llmtap::write_notes(options_.notes, notes);
}

}  // namespace llmtap
