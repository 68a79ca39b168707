// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/process_names.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "userspace/enrich/redact.h"

namespace llmtap {
namespace {

constexpr std::array<std::string_view, 7> kVariables = {"DD_SERVICE",
                                                        "DD_ENV",
                                                        "DD_VERSION",
                                                        "DD_TAGS",
                                                        "DD_LLMOBS_ML_APP",
                                                        "OTEL_SERVICE_NAME",
                                                        "OTEL_RESOURCE_ATTRIBUTES"};
constexpr std::size_t kMostArguments = 256;
constexpr std::size_t kMostArgument = 1024;  // bytes kept of one

// Option names whose value is a secret, compared without dashes and underscores.
constexpr std::array<std::string_view, 14> kSecretOptions = {
    "apikey",    "token",         "accesstoken",  "authtoken",   "password",
    "passwd",    "secret",        "bearer",       "credentials", "secretkey",
    "accesskey", "authorization", "clientsecret", "privatekey"};
constexpr std::array<std::string_view, 4> kSecretHeaders = {
    "authorization:", "api-key:", "cookie:", "token:"};
constexpr std::string_view kMasked = "[REDACTED:option]";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// "--OpenAI_API-Key" asks for a secret: its plain name ends in one of the words.
bool is_secret_name(std::string_view name) {
  std::string plain;
  for (const char c : lower(name))
    if (c != '-' && c != '_') plain += c;
  return std::any_of(kSecretOptions.begin(), kSecretOptions.end(), [&](std::string_view option) {
    // "--max-tokens", "--tokenizer" and the like are not secrets.
    return plain.ends_with(option);
  });
}

// "Authorization: Bearer x" keeps its name only.
void mask_header(std::string& argument) {
  const std::string text = lower(argument);
  for (const auto header : kSecretHeaders) {
    const std::size_t at = text.find(header);
    if (at == std::string::npos) continue;
    argument.resize(at + header.size());
    argument += ' ';
    argument += kMasked;
    return;
  }
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// The last run of 64 hexadecimal digits that stands for itself.
std::string_view long_id(std::string_view line) {
  constexpr std::size_t kDigits = 64;
  for (std::size_t end = line.size(); end >= kDigits; --end) {
    const std::string_view id = line.substr(end - kDigits, kDigits);
    if (is_hex(id)) return id;
  }
  return {};
}

// ECS: <32 hex>-<digits>; Garden: a UUID without its last group. As the last piece of the path.
std::string_view short_id(std::string_view line) {
  const std::string_view piece = line.substr(line.rfind('/') + 1);
  const std::size_t dash = piece.find('-');
  if (dash == 32 && is_hex(piece.substr(0, dash)) && piece.size() > 33 &&
      std::all_of(piece.begin() + 33, piece.end(), [](unsigned char c) { return std::isdigit(c); }))
    return piece;
  const bool uuid = piece.size() == 28 && piece[8] == '-' && piece[13] == '-' && piece[18] == '-' &&
                    piece[23] == '-';
  return uuid && is_hex(piece.substr(0, 8)) && is_hex(piece.substr(24)) ? piece
                                                                        : std::string_view{};
}

std::string_view variable(const Variables& variables, std::string_view name) {
  for (const auto& [key, value] : variables)
    if (key == name) return value;
  return {};
}

// "a=1,service.name=x"
std::string_view service_attribute(std::string_view attributes) {
  constexpr std::string_view kKey = "service.name=";
  for (std::size_t at = 0; at < attributes.size();) {
    const std::size_t end = std::min(attributes.find(',', at), attributes.size());
    if (attributes.substr(at, end - at).starts_with(kKey))
      return attributes.substr(at + kKey.size(), end - at - kKey.size());
    at = end + 1;
  }
  return {};
}

// Options of interpreters that take the next argument with them.
struct Interpreter {
  std::string_view language;
  std::array<std::string_view, 8> with_value;
  std::string_view module_option;  // its value is the name
  std::string_view code_option;    // program text on the command line: no name
};
constexpr std::array<Interpreter, 5> kInterpreters = {{
    {"python", {"-X", "-W", "--check-hash-based-pycs"}, "-m", "-c"},
    {"node",
     {"-r", "--require", "--import", "--loader", "--experimental-loader", "--env-file", "-C",
      "--conditions"},
     "",
     "-e"},
    {"ruby", {"-r", "-I", "-C", "-E"}, "", "-e"},
    {"java",
     {"-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens",
      "--add-exports"},
     "-jar",
     ""},
    {"php", {"-c", "-d"}, "", "-r"},
}};

// A file's name without directory and script ending; other names stay whole.
std::string plain_name(std::string_view path) {
  std::string name = base_name(path);
  for (const std::string_view ending :
       {".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb", ".jar", ".php"})
    if (name.size() > ending.size() && name.ends_with(ending)) {
      name.resize(name.size() - ending.size());
      break;
    }
  return name;
}

std::string script_name(std::string_view language, const std::vector<std::string>& arguments) {
  const auto known = std::find_if(kInterpreters.begin(), kInterpreters.end(),
                                  [&](const auto& i) { return i.language == language; });
  if (known == kInterpreters.end()) return {};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const auto next = [&] { return i + 1 < arguments.size() ? arguments[i + 1] : std::string{}; };
    if (argument.empty()) continue;
    if (!known->code_option.empty() && argument == known->code_option) return {};
    if (!known->module_option.empty() && argument == known->module_option)
      return plain_name(next());
    if (std::find(known->with_value.begin(), known->with_value.end(), argument) !=
        known->with_value.end()) {
      ++i;
      continue;
    }
    if (argument[0] != '-') return plain_name(argument);
  }
  return {};
}

}  // namespace

std::vector<std::string> split_zeros(std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty() && pieces.size() < kMostArguments) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    pieces.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pieces;
}

Variables choose_variables(std::string_view environ) {
  Variables chosen;
  while (!environ.empty()) {
    const std::size_t end = std::min(environ.find('\0'), environ.size());
    const std::string_view entry = environ.substr(0, end);
    const std::size_t equals = entry.find('=');
    if (equals != std::string_view::npos && std::find(kVariables.begin(), kVariables.end(),
                                                      entry.substr(0, equals)) != kVariables.end())
      chosen.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
    environ.remove_prefix(std::min(end + 1, environ.size()));
  }
  return chosen;
}

void mask_command_line(std::vector<std::string>& arguments) {
  bool is_value = false;  // of an option that asks for a secret
  bool is_user = false;   // of curl's -u, which is name:password; python has another -u
  for (auto& argument : arguments) {
    const bool is_option = argument.starts_with('-');
    const std::size_t equals = argument.find('=');
    const std::string_view name = std::string_view(argument).substr(0, equals);
    const bool asks = name.find_first_of(" \t\n") == std::string_view::npos && is_secret_name(name);
    const bool is_secret =
        !is_option && (is_value || (is_user && argument.find(':') != std::string::npos));
    is_value = is_option && asks && equals == std::string::npos;
    is_user = argument == "-u" || argument == "--user";
    if (is_secret) {
      argument = kMasked;
    } else if (asks && equals != std::string::npos) {
      argument.replace(equals + 1, std::string::npos, kMasked);
    } else {
      mask_header(argument);
      redact_text(argument, {});
    }
    if (argument.size() > kMostArgument) argument.resize(kMostArgument);
  }
}

std::string container_id(std::string_view cgroup) {
  std::string_view found;
  while (!cgroup.empty()) {
    const std::size_t end = std::min(cgroup.find('\n'), cgroup.size());
    const std::string_view line = cgroup.substr(0, end);
    if (const auto id = long_id(line); !id.empty()) return std::string(id);
    if (found.empty()) found = short_id(line);
    cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
  }
  return std::string(found);
}

std::string base_name(std::string_view path) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string language_of(std::string_view exe, std::string_view maps) {
  struct Sign {
    std::string_view program;  // start of the executable's name
    std::string_view library;  // or a mapped library
    std::string_view language;
  };
  constexpr std::array<Sign, 12> kSigns = {{
      {"python", "/libpython", "python"},
      {"pypy", "/libpypy", "python"},
      {"node", "/libnode.so", "node"},
      {"bun", "", "bun"},
      {"deno", "", "deno"},
      {"java", "/libjvm.so", "java"},
      {"ruby", "/libruby", "ruby"},
      {"php", "/libphp", "php"},
      {"dotnet", "/libcoreclr.so", "dotnet"},
      {"beam.smp", "", "erlang"},
      {"perl", "/libperl.so", "perl"},
      {"uwsgi", "", "python"},
  }};
  const std::string program = base_name(exe);
  for (const auto& sign : kSigns)
    if (program.starts_with(sign.program)) return std::string(sign.language);
  for (const auto& sign : kSigns)
    if (!sign.library.empty() && maps.find(sign.library) != std::string_view::npos)
      return std::string(sign.language);
  return {};
}

bool has_tracer(const std::vector<std::string>& arguments, std::string_view maps) {
  for (const std::string_view mark : {"/ddtrace/", "/dd-trace/", "/@datadog/", "dd-java-agent",
                                      "/libddwaf", "/datadog-ruby", "Datadog.Trace"})
    if (maps.find(mark) != std::string_view::npos) return true;
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& a) {
    return a.find("ddtrace-run") != std::string::npos ||
           a.find("dd-java-agent") != std::string::npos || a.find("dd-trace") != std::string::npos;
  });
}

std::string resolve_service(const Variables& variables, std::string_view language,
                            const std::vector<std::string>& arguments, std::string_view exe) {
  for (const auto name :
       {variable(variables, "DD_SERVICE"), variable(variables, "OTEL_SERVICE_NAME"),
        service_attribute(variable(variables, "OTEL_RESOURCE_ATTRIBUTES"))})
    if (!name.empty()) return std::string(name);
  if (auto script = script_name(language, arguments); !script.empty()) return script;
  if (auto program = base_name(exe); !program.empty()) return program;
  return arguments.empty() ? std::string{} : base_name(arguments.front());
}

}  // namespace llmtap
