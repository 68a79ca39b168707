// SPDX-License-Identifier: Apache-2.0
//
// What the texts of /proc say about a process. Pure functions; process_info.h reads the files.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmtap {

using Variables = std::vector<std::pair<std::string, std::string>>;

// Pieces of a NUL-separated text (cmdline, environ).
std::vector<std::string> split_zeros(std::string_view text);

// The chosen variables of ProcessInfo::environment; all others are left out.
Variables choose_variables(std::string_view environ);

// Values of options that carry secrets (--api-key X, --token=X, -u user:password), header arguments
// with credentials, and whatever looks like a secret anywhere, are replaced by "[REDACTED:...]".
void mask_command_line(std::vector<std::string>& arguments);

// Id of the container from /proc/PID/cgroup, v1 or v2: 64 hexadecimal digits (docker, containerd,
// cri-o, podman, with or without systemd's scopes) or the forms of ECS and Garden. Empty: none.
std::string container_id(std::string_view cgroup);

// "python", "node", "bun", "deno", "java", "ruby", "php", "dotnet", "erlang", "perl", or empty.
// `maps`: text of /proc/PID/maps.
std::string language_of(std::string_view exe, std::string_view maps);

// A Datadog tracer runs inside the process: its library is mapped or its wrapper is on the command
// line.
bool has_tracer(const std::vector<std::string>& arguments, std::string_view maps);

// DD_SERVICE, OTEL_SERVICE_NAME, service.name of OTEL_RESOURCE_ATTRIBUTES; else the script, module,
// jar or class that the interpreter runs; else the program's name. Empty only if all are unknown.
std::string resolve_service(const Variables& variables, std::string_view language,
                            const std::vector<std::string>& arguments, std::string_view exe);

// Last piece of a path, without " (deleted)".
std::string base_name(std::string_view path);

}  // namespace llmtap
