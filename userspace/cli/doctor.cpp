// SPDX-License-Identifier: Apache-2.0
//
// `doctor`: can this host capture, and which processes' TLS can be hooked, where, at which cost.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <vector>

#include "userspace/base/terminal.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/doctor_report.h"

namespace llmtap {
namespace {

struct DoctorOptions {
  std::vector<pid_t> pids;
  bool json = false;
  bool sites = false;
};

constexpr const char* kExamples =
    R"(Cost: an emulated probe takes 0.3 to 1 us, a stepped one 3 to 17 us.
Examples:
  llmtap doctor                  the host, and every process that speaks TLS
  llmtap doctor 4711             one process, with every probe site
  llmtap doctor --json | jq '.processes[] | select(.remark)')";

int run_doctor(const DoctorOptions& options) {
  const DoctorReport report = examine_host(options.pids);
  if (options.json) {
    std::cout << to_json(report);
  } else {
    DoctorStyle style;
    const Terminal terminal = stdout_terminal();
    style.color = terminal.color;
    style.columns = terminal.is_one ? terminal.columns : 0;
    style.sites = options.sites || !options.pids.empty();
    std::cout << to_text(report, style);
  }
  return report.able ? 0 : 1;
}

}  // namespace

void add_doctor(CLI::App& app, Chosen& chosen) {
  auto* const command = app.add_subcommand("doctor", "Can this host capture, and which processes");
  const auto options = std::make_shared<DoctorOptions>();
  command->add_option("pid", options->pids, "Only these processes");
  command->add_flag("--json", options->json, "For programs");
  command->add_flag("--sites", options->sites, "Every probe site (also with PID)");
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_doctor(*options); }; });
}

}  // namespace llmtap
