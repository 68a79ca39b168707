// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "userspace/base/terminal.h"
#include "userspace/cli/doctor_report.h"

using namespace llmtap;

namespace {

KernelFeatures good_kernel() {
  KernelFeatures features;
  features.release = "6.18.0";
  features.btf = features.may_load = features.session = features.multi = features.perf =
      features.sockets = true;
  features.lockdown = "none";
  return features;
}

const HostCheck& check_named(const std::vector<HostCheck>& checks, std::string_view name) {
  for (const auto& check : checks)
    if (check.name == name) return check;
  FAIL("no check " << name);
  return checks.front();
}

DoctorReport sample() {
  DoctorReport report;
  report.able = true;
  report.host = host_checks(good_kernel(), "");
  ProcessReport python;
  python.process.pid = 41;
  python.process.exe = "/usr/bin/python3.11";
  python.process.service = "shop";
  TlsFile file;
  file.path = "/usr/lib/libssl.so.3";
  file.plan.sites = {{0x352d0, TLS_COOKIE(TLS_CALL_SIZE_OUT, TLS_READ, TLS_LIB_OPENSSL), true,
                      SiteClass::kEmulated, SiteKind::kInner, "SSL_read, SSL_read_ex"},
                     {0x3b390, TLS_COOKIE(TLS_CALL_FREE, TLS_WRITE, TLS_LIB_OPENSSL), false,
                      SiteClass::kStepped, SiteKind::kEntry, "SSL_free"}};
  python.files = {file};
  ProcessReport java;
  java.process.pid = 4242;
  java.process.exe = "/usr/bin/java";
  java.process.service = "orders\x1b[31m";
  java.remark = "Java's own TLS (JSSE) is bytecode";
  report.processes = {python, java};
  report.without_tls = 7;
  return report;
}

}  // namespace

TEST_CASE("doctor: what a host lacks comes with advice", "[unit]") {
  for (const auto& check : host_checks(good_kernel(), "")) {
    CAPTURE(check.name);
    CHECK(check.good);
    CHECK(check.advice.empty());
  }
  struct Case {
    const char* name;
    const char* check;
    void (*spoil)(KernelFeatures&);
  };
  const Case cases[] = {
      {"no BTF", "BTF", [](KernelFeatures& f) { f.btf = false; }},
      {"not root", "load programs", [](KernelFeatures& f) { f.may_load = false; }},
      {"lockdown", "lockdown", [](KernelFeatures& f) { f.lockdown = "confidentiality"; }},
      {"before Linux 6.3", "plain HTTP", [](KernelFeatures& f) { f.sockets = false; }},
      {"capability", "capabilities",
       [](KernelFeatures& f) { f.missing_capabilities = {"CAP_BPF"}; }},
      {"in a container", "processes", [](KernelFeatures& f) { f.host_pids = false; }},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      KernelFeatures features = good_kernel();
      c.spoil(features);
      const auto checks = host_checks(features, "");
      CHECK_FALSE(check_named(checks, c.check).good);
      CHECK_FALSE(check_named(checks, c.check).advice.empty());
    }
  }
  CHECK_FALSE(check_named(host_checks(good_kernel(), "no perf events"), "discovery").good);
}

TEST_CASE("doctor: table", "[unit]") {
  const std::string text = to_text(sample(), {});
  CHECK(text.find("OpenSSL") != std::string::npos);
  // The cost is that of the calls that move bytes, not of the one that frees.
  CHECK(text.find("emulated  can be hooked") != std::string::npos);
  CHECK(text.find("JSSE") != std::string::npos);
  CHECK(text.find("7 other processes") != std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);  // neither ours nor a process's
  CHECK(text.find("SSL_free") == std::string::npos);
  const std::string detailed = to_text(sample(), {true, true});
  CHECK(detailed.find("SSL_free") != std::string::npos);
  CHECK(detailed.find("inner function") != std::string::npos);
  CHECK(detailed.find("\x1b[32m") != std::string::npos);
}

TEST_CASE("doctor: a narrow terminal", "[unit]") {
  auto report = sample();
  report.processes[0].process.exe = "/opt/日本\u202e";
  const std::string text = to_text(report, {.columns = 80});
  CHECK(text.find("libssl.so.3") != std::string::npos);
  CHECK(text.find("/usr/lib") == std::string::npos);
  CHECK(text.find("SERVICE") == std::string::npos);
  CHECK(text.find("日本?") != std::string::npos);
  const auto line = [&text](std::string_view word) {
    const auto at = text.find(word);
    const auto begin = text.rfind('\n', at) + 1;
    return display_width(std::string_view(text).substr(begin, at - begin));
  };
  CHECK(line("TLS ") == line("OpenSSL"));
}

TEST_CASE("doctor: JSON", "[unit]") {
  const auto json = nlohmann::json::parse(to_json(sample()));
  CHECK(json.at("able") == true);
  REQUIRE(json.at("processes").size() == 2);
  const auto& python = json["processes"][0];
  CHECK(python.at("pid") == 41);
  CHECK(python.at("files")[0].at("hookable") == true);
  CHECK(python["files"][0].at("sites")[0].at("class") == "emulated");
  CHECK(python["files"][0]["sites"][0].at("offset") == 0x352d0);
  CHECK_FALSE(python.contains("remark"));
  CHECK(json["processes"][1].at("remark") == "Java's own TLS (JSSE) is bytecode");
}
