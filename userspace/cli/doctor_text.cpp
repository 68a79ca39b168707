// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "userspace/base/terminal.h"
#include "userspace/cli/doctor_report.h"
#include "userspace/enrich/process_names.h"

namespace llmtap {
namespace {

constexpr const char* kGreen = "\033[32m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kBold = "\033[1m";
constexpr const char* kPlain = "\033[0m";
constexpr std::size_t kWidest = 48;  // of one column

const char* library_name(const ProbeSite& site) {
  switch (TLS_COOKIE_LIBRARY(site.cookie)) {
    case TLS_LIB_OPENSSL:
      return "OpenSSL";
    case TLS_LIB_BORINGSSL:
      return "BoringSSL";
    case TLS_LIB_GNUTLS:
      return "GnuTLS";
    case TLS_LIB_GO:
      return "Go";
    case TLS_LIB_RUSTLS_AWSLC:
      return "rustls (AWS-LC)";
    case TLS_LIB_RUSTLS_RING:
      return "rustls (ring)";
    case TLS_LIB_JSSE:
      return "Java (JSSE)";
    default:
      return "?";
  }
}

const char* kind_name(SiteKind kind) {
  switch (kind) {
    case SiteKind::kEntry:
      return "entry";
    case SiteKind::kPastEndbr:
      return "near entry";
    case SiteKind::kInner:
      return "inner function";
    case SiteKind::kFound:
      return "found by meaning";
  }
  return "";
}

const char* class_name(SiteClass site_class) {
  return site_class == SiteClass::kEmulated ? "emulated" : "stepped";
}

// The end of a path says more than its start.
std::string shorten(const std::string& text) {
  const std::string shown = printable(text);
  return shown.size() <= kWidest ? shown : "..." + shown.substr(shown.size() - kWidest + 3);
}

struct Row {
  std::array<std::string, 6> cells;
  const char* color = "";
  std::vector<std::string> details;
};

std::vector<std::string> details_of(const TlsFile& file) {
  std::vector<std::string> lines;
  for (const auto& site : file.plan.sites) {
    std::array<char, 256> line = {};
    std::snprintf(line.data(), line.size(), "%-40s +0x%-10lx %-17s %s", site.function.c_str(),
                  site.file_offset, kind_name(site.kind), class_name(site.site_class));
    lines.emplace_back(line.data());
  }
  return lines;
}

std::string libraries_of(const TlsFile& file) {
  std::string names;
  for (const auto& site : file.plan.sites)
    if (const std::string name = library_name(site); names.find(name) == std::string::npos)
      names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "-" : names;
}

// How much a call costs: by the sites that every call passes, not by the one that frees.
std::string cost_of(const TlsFile& file) {
  std::size_t stepped = 0, sites = 0;
  for (const auto& site : file.plan.sites) {
    if (TLS_COOKIE_SHAPE(site.cookie) == TLS_CALL_FREE) continue;
    ++sites;
    stepped += site.site_class == SiteClass::kStepped;
  }
  if (sites == 0) return "-";
  return stepped == 0 ? "emulated" : stepped == sites ? "stepped" : "mixed";
}

std::string state_of(const DoctorReport& report, const TlsFile& file) {
  if (file.plan.sites.empty())
    return file.plan.reason.empty() ? "still being searched" : file.plan.reason;
  if (!file.readable()) return "out of reach: connections to LLMs are counted, not seen";
  std::string state = report.able ? "can be hooked" : "the host cannot hook it";
  if (!file.plan.reason.empty()) state += "; " + file.plan.reason;
  return state;
}

// `narrow`: without the service, and of a path its last part.
std::vector<Row> rows_of(const DoctorReport& report, bool narrow) {
  std::vector<Row> rows;
  for (const auto& one : report.processes) {
    const std::string pid = std::to_string(one.process.pid);
    const std::string program = shorten(base_name(one.process.exe));
    const std::string service = narrow ? "" : shorten(one.process.service);
    for (const auto& file : one.files)
      rows.push_back({{pid, program, service, libraries_of(file),
                       shorten(narrow ? base_name(file.path) : file.path),
                       cost_of(file) + "  " + state_of(report, file)},
                      file.plan.sites.empty() ? kYellow : kGreen,
                      details_of(file)});
    const bool said = std::any_of(one.files.begin(), one.files.end(), [&](const TlsFile& file) {
      return file.plan.reason == one.remark;
    });
    if (!one.remark.empty() && !said)
      rows.push_back({{pid, program, service, "-", "-", one.remark}, kYellow, {}});
    if (!one.note.empty()) rows.push_back({{pid, program, service, "", "", one.note}, kYellow, {}});
  }
  return rows;
}

class Text {
 public:
  explicit Text(bool color) : color_(color) {}
  void add(const char* color, std::string_view text) {
    if (color_ && *color != '\0') out_ += color;
    out_ += text;
    if (color_ && *color != '\0') out_ += kPlain;
  }
  void padded(const char* color, const std::string& text, std::size_t width) {
    add(color, fit_cells(text, width));
  }
  std::string take() { return std::move(out_); }

 private:
  const bool color_;
  std::string out_;
};

void add_host(Text& text, const DoctorReport& report) {
  text.add(kBold, "Host\n");
  for (const auto& check : report.host) {
    text.add("", "  ");
    text.add(check.good ? kGreen : kRed, check.good ? "ok  " : "no  ");
    text.padded("", check.name, 15);
    text.add("", check.found);
    if (!check.advice.empty()) text.add(kYellow, "  -> " + check.advice);
    text.add("", "\n");
  }
  text.add("", "\n");
}

void add_processes(Text& text, const DoctorReport& report, const DoctorStyle& style) {
  constexpr std::size_t kWide = 120;
  const bool narrow = style.columns != 0 && style.columns < kWide;
  auto rows = rows_of(report, narrow);
  const char* service = narrow ? "" : "SERVICE";
  rows.insert(rows.begin(), Row{{"PID", "PROGRAM", service, "TLS", "FILE", "COST"}, kBold, {}});
  std::array<std::size_t, 5> widths = {};
  for (const auto& row : rows)
    for (std::size_t k = 0; k < widths.size(); ++k)
      widths[k] = std::max(widths[k], display_width(row.cells[k]));
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const Row& row = rows[n];
    const bool same = n > 1 && row.cells[0] == rows[n - 1].cells[0];
    text.add("", "  ");
    for (std::size_t k = 0; k < widths.size(); ++k) {
      if (widths[k] == 0) continue;
      text.padded(n == 0 ? kBold : "", same && k < 3 ? "" : row.cells[k], widths[k] + 2);
    }
    text.add(row.color, printable(row.cells.back()));
    text.add("", "\n");
    if (style.sites)
      for (const auto& line : row.details) text.add(kDim, "      " + line + "\n");
  }
}

}  // namespace

std::string to_text(const DoctorReport& report, const DoctorStyle& style) {
  Text text(style.color);
  add_host(text, report);
  if (report.processes.empty()) {
    text.add("", "No process speaks TLS at the moment.\n");
  } else {
    text.add(kBold, "Processes\n");
    add_processes(text, report, style);
  }
  if (report.without_tls != 0)
    text.add(kDim,
             "  " + std::to_string(report.without_tls) + " other processes map no TLS library.\n");
  if (!report.settled) text.add(kYellow, "  Some files were still being searched.\n");
  return text.take();
}

std::string to_json(const DoctorReport& report) {
  using nlohmann::json;
  json host = json::array(), processes = json::array();
  for (const auto& check : report.host) {
    json one = {{"name", check.name}, {"good", check.good}, {"found", check.found}};
    if (!check.advice.empty()) one["advice"] = check.advice;
    host.push_back(std::move(one));
  }
  for (const auto& process : report.processes) {
    json files = json::array();
    for (const auto& file : process.files) {
      json sites = json::array();
      for (const auto& site : file.plan.sites)
        sites.push_back({{"function", site.function},
                         {"library", library_name(site)},
                         {"offset", site.file_offset},
                         {"kind", kind_name(site.kind)},
                         {"class", class_name(site.site_class)},
                         {"return", site.wants_return}});
      json one = {{"path", file.path},
                  {"sites", std::move(sites)},
                  {"hookable", report.able && file.readable()}};
      if (!file.plan.reason.empty()) one["reason"] = file.plan.reason;
      files.push_back(std::move(one));
    }
    json one = {{"pid", process.process.pid},
                {"exe", process.process.exe},
                {"service", process.process.service},
                {"files", std::move(files)}};
    if (!process.process.language.empty()) one["language"] = process.process.language;
    if (!process.process.container_id.empty()) one["container_id"] = process.process.container_id;
    if (process.https != 0) one["https_connections"] = process.https;
    if (!process.remark.empty()) one["remark"] = process.remark;
    if (!process.note.empty()) one["note"] = process.note;
    processes.push_back(std::move(one));
  }
  const json all = {{"able", report.able},
                    {"host", std::move(host)},
                    {"processes", std::move(processes)},
                    {"without_tls", report.without_tls},
                    {"settled", report.settled}};
  return all.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace llmtap
