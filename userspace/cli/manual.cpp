// SPDX-License-Identifier: Apache-2.0
//
// The manual page in mdoc(7): commands and options from the model, the rest written here.
#include <sstream>
#include <utility>

#include "userspace/cli/command_model.h"

namespace llmtap {
namespace {

constexpr const char* kHead = R"(.\" Written by `llmtap manual`. Do not edit.
.\" SPDX-License-Identifier: Apache-2.0
.Dd November 24, 2026
.Dt LLMTAP 1
.Os
.Sh NAME
.Nm llmtap
.Nd show every LLM call on this machine without changing any app
.Sh SYNOPSIS
.Nm
.Ar command
.Op Ar option ...
.Sh DESCRIPTION
.Nm
reads the plaintext of TLS connections in unmodified processes with eBPF, rebuilds the calls to LLM
providers (model, messages, tools, tokens, cost, latency, errors, rate limits) and gives them to a
local store, Datadog, OpenTelemetry, Sentry, Prometheus, JSON lines and the terminal.
It only observes.
.Pp
Options of the program itself:
)";

constexpr const char* kTail = R"(.Sh SIGNALS
.Bl -tag -width SIGTERM
.It Dv SIGHUP
.Ic run
reads its configuration again.
Open connections and calls go on; a configuration with an error is refused and the former one stays.
.It Dv SIGINT , SIGTERM
Calls in progress end as they are, destinations are flushed within
.Li delivery.flush_deadline .
A second signal ends the process at once.
.El
.Sh ENVIRONMENT
Variables of Datadog
.Pq Ev DD_* ,
OpenTelemetry
.Pq Ev OTEL_*
and Sentry
.Pq Ev SENTRY_*
mean what they mean to the vendors' own libraries; the configuration file names them.
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/llmtap/llmtap.yaml
The configuration; none is needed.
.It Pa /var/lib/llmtap/llmtap.db
The store.
.It Pa /var/lib/llmtap/spool
What destinations have not taken yet.
.El
.Pp
Metrics for Prometheus are at
.Lk http://127.0.0.1:9464/metrics ,
the daemon's well-being at
.Lk http://127.0.0.1:9464/healthz .
.Sh EXIT STATUS
0, 1 after an error, 2 after a wrong command line; errors are one line on standard error.
.Ic doctor
ends with 1 where this host cannot capture.
.Ic run
with a command ends with that command's status.
.Sh SEE ALSO
.Xr bpf 2 ,
.Xr systemd.service 5
)";

// Text that no roff request or escape can hide in.
std::string plain(const std::string& text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    out += c == '\\' ? "\\e" : std::string(1, c);
    line_begins = c == '\n';
  }
  return out;
}

// A sentence a line, as roff wants it to space them.
std::string prose(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool ends = i > 0 && text[i] == ' ' && text[i - 1] == '.';
    out += ends ? '\n' : text[i];
  }
  return plain(out);
}

// Arguments of a macro: quoted, so that no word is taken for a macro.
std::string argument(const std::string& text) {
  std::string out = "\"";
  for (const char c : plain(text)) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

std::string option_item(const OptionModel& option) {
  std::string line = ".It";
  bool first = true;
  for (const auto& name : option.names) {
    line += (first ? " Fl " : " , Fl ") + argument(name.substr(1));
    first = false;
  }
  if (!option.argument.empty()) line += " Ar " + argument(option.argument);
  std::string text = option.description;
  if (!option.choices.empty()) {
    text += text.empty() ? "One of" : ". One of";
    const char* separator = " ";
    for (const auto& choice : option.choices) text += std::exchange(separator, ", ") + choice;
  }
  return line + '\n' + prose(text) + '\n';
}

std::string option_list(const std::vector<OptionModel>& options) {
  if (options.empty()) return "";
  std::string text = ".Bl -tag -width Ds\n";
  for (const auto& option : options) text += option_item(option);
  return text + ".El\n";
}

// A footer of --help: as it is.
std::string literal(const std::string& text) {
  if (text.empty()) return "";
  std::string out = ".Bd -literal\n";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += plain(line) + '\n';
  return out + ".Ed\n";
}

std::string command_section(const CommandModel& command) {
  std::string text = ".Ss llmtap " + command.name + '\n' + prose(command.description) + ".\n" +
                     option_list(command.options) + literal(command.footer);
  for (const auto& nested : command.commands) text += command_section(nested);
  return text;
}

}  // namespace

std::string manual_page(const CommandModel& program) {
  std::string text = kHead + option_list(program.options) + ".Sh COMMANDS\n";
  for (const auto& command : program.commands) text += command_section(command);
  return text + kTail;
}

}  // namespace llmtap
