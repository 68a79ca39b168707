// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/doctor_report.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "userspace/capture/plain_ports.h"
#include "userspace/capture/process_maps.h"
#include "userspace/capture/process_notes.h"
#include "userspace/capture/process_sockets.h"
#include "userspace/enrich/process_info.h"

namespace llmtap {
namespace {

constexpr std::chrono::seconds kLongest{20};

// Finds sites and attaches nothing.
class PlanOnly final : public ProbeAttacher {
 public:
  Result<std::uint64_t> attach(const std::string&, const ProbePlan&) override {
    return std::uint64_t{1};
  }
  void detach(std::uint64_t) override {}
};

bool is_readable(pid_t pid) {
  return access(("/proc/" + std::to_string(pid) + "/map_files").c_str(), R_OK | X_OK) == 0;
}

std::string remark(const ProcessReport& report, bool readable) {
  if (!readable) return "cannot be looked at: run as root";
  const bool has_sites = std::any_of(report.files.begin(), report.files.end(),
                                     [](const TlsFile& f) { return f.readable(); });
  if (has_sites) return {};
  const std::string open = report.https == 0 ? ""
                                             : " (" + std::to_string(report.https) +
                                                   " connections to or from port 443 now)";
  if (report.process.language == "java")
    return "Java's own TLS (JSSE) is bytecode: out of reach of probes; its calls stay unseen" +
           open;
  for (const auto& file : report.files) {
    if (!file.plan.reason.empty()) return file.plan.reason;
    if (file.searching) return "still being searched";
  }
  if (report.https != 0) return "speaks HTTPS with a TLS library that is not known" + open;
  return "no TLS library mapped: plain connections only";
}

}  // namespace

std::vector<HostCheck> host_checks(const KernelFeatures& f, const std::string& degraded) {
  std::vector<HostCheck> checks;
  const auto best = f.best();
  checks.push_back({"kernel", best.has_value(), "Linux " + f.release, f.why_not()});
  checks.push_back({"BTF", f.btf, f.btf ? "/sys/kernel/btf/vmlinux" : "missing",
                    f.btf ? "" : "needs CONFIG_DEBUG_INFO_BTF (distribution kernels since 2021)"});
  checks.push_back({"load programs", f.may_load, f.may_load ? "allowed" : "refused",
                    f.may_load ? "" : "run as root, or grant CAP_BPF and CAP_PERFMON"});
  checks.push_back(
      {"attach by", best.has_value(), best ? name(*best) : "nothing",
       best == AttachMode::kPerf ? "Linux 6.6 attaches and detaches much faster" : ""});
  checks.push_back(
      {"plain HTTP", f.sockets,
       f.sockets ? std::to_string(default_plain_ports().size()) +
                       " usual ports of model servers, and those that known ones listen on"
                 : "not seen",
       f.sockets ? "" : "Linux 6.3 and later say what sockets carry (rustls needs that as well)"});
  checks.push_back({"lockdown", f.lockdown != "confidentiality",
                    f.lockdown.empty() ? "not built in" : f.lockdown,
                    f.lockdown == "confidentiality" ? "boot with lockdown=integrity" : ""});
  std::string missing;
  for (const auto& capability : f.missing_capabilities)
    missing += (missing.empty() ? "" : ", ") + capability;
  checks.push_back({"capabilities", missing.empty(), missing.empty() ? "all" : "without " + missing,
                    missing.empty() ? "" : "run as root, or grant them to the daemon"});
  checks.push_back({"processes", f.host_pids, f.host_pids ? "of the whole host" : "of a container",
                    f.host_pids ? "" : f.blind_spot()});
  checks.push_back(
      {"discovery", degraded.empty(),
       degraded.empty() ? "the kernel reports every executable mapping" : "polling /proc",
       degraded});
  return checks;
}

DoctorReport examine_host(const std::vector<pid_t>& pids) {
  DoctorReport report;
  const KernelFeatures features = probe_kernel();
  PlanOnly attacher;
  auto watch = ProcessWatch::start(attacher, nullptr);
  if (!watch) {
    report.host = host_checks(features, watch.error().message);
    return report;
  }
  report.settled = (*watch)->wait_until_settled(kLongest);
  report.host = host_checks(features, (*watch)->degraded());
  report.able = features.best().has_value();
  std::map<pid_t, std::vector<TlsFile>> found;
  for (auto& process : (*watch)->processes()) found[process.pid] = std::move(process.files);

  ProcessTable table;
  const ProcessNotes notes = read_notes();
  const bool asked = !pids.empty();
  for (const pid_t pid : asked ? pids : numbered_entries("/proc")) {
    if (pid == getpid()) continue;
    if (!asked && executable_maps(pid).empty() && is_readable(pid)) continue;  // a kernel thread
    ProcessReport one;
    one.process = table.info(pid);
    if (const auto files = found.find(pid); files != found.end()) one.files = files->second;
    const bool seen = std::any_of(one.files.begin(), one.files.end(),
                                  [](const TlsFile& f) { return f.readable(); });
    if (!seen) one.https = https_connections(pid);
    one.remark = process_exists(pid) ? remark(one, is_readable(pid)) : "no such process";
    if (const auto note = notes.find(pid); note != notes.end()) one.note = note->second;
    if (asked || !one.note.empty() || !one.files.empty() || one.https != 0 ||
        one.process.language == "java") {
      report.processes.push_back(std::move(one));
    } else {
      ++report.without_tls;
    }
  }
  return report;
}

}  // namespace llmtap
