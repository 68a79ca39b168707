// SPDX-License-Identifier: Apache-2.0
//
// rustls on ring and on AWS-LC, stripped or not: records joined to their sockets, whatever the
// cipher and under new keys.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/bpf/subject.h"
#include "userspace/capture/elf.h"
#include "userspace/capture/site_finders.h"

namespace llmtap::test {
namespace {

// Key and certificate in one file, for the program's server end.
void provide_certificate() {
  static const std::string pem = [] {
    const std::string path = "/tmp/llmtap-rustls-" + std::to_string(getpid()) + ".pem";
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=localhost -keyout " +
        path + " -out " + path + ".crt 2>/dev/null && cat " + path + ".crt >> " + path + " && rm " +
        path + ".crt";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl req failed");
    return path;
  }();
  setenv("PINGPONG_PEM", pem.c_str(), 1);
}

struct Build {
  const char* name;
  const char* program;
  ProbePlan (*find)(const ElfFile&);
};

}  // namespace

TEST_CASE("rustls: both ends, any version and cipher, several connections", "[bpf]") {
  const auto build =
      GENERATE(Build{"ring", LLMTAP_RUSTLS_RING, find_ring},
               Build{"ring, stripped", LLMTAP_RUSTLS_RING "-stripped", find_ring},
               Build{"aws-lc", LLMTAP_RUSTLS_AWSLC, find_awslc},
               Build{"aws-lc, stripped", LLMTAP_RUSTLS_AWSLC "-stripped", find_awslc});
  const auto mode = GENERATE(AttachMode::kSession, AttachMode::kMulti, AttachMode::kPerf);
  CAPTURE(build.name, name(mode));
  provide_certificate();
  auto file = ElfFile::open(build.program);
  REQUIRE(file.ok());
  const ProbePlan plan = build.find(*file);
  INFO(plan.reason);
  REQUIRE(plan.sites.size() >= 2);
  KernelOptions options;
  options.mode = mode;
  Tap tap(options, plan, build.program);
  Subject subject(build.program);
  for (const std::string version :
       {"new 13 AES_128_GCM", "new 13 AES_256_GCM", "new 13 CHACHA20", "new 12 AES_128_GCM",
        "new 12 AES_256_GCM", "new 12 CHACHA20", "new 13"}) {
    CAPTURE(version);
    tap.forget();
    auto [client, server] = subject.connect(version);
    client |= TLS_CONN_SOCKET;
    server |= TLS_CONN_SOCKET;
    std::int64_t total = 0;
    for (const int n : {1, 100, 512, 4096, 16384, 16385, 100000}) {
      if (version == "new 13") subject.ask("rekey");
      subject.ask("write " + std::to_string(n));
      subject.ask("reply 70");
      total += n;
    }
    tap.drain();
    CHECK(contiguous_bytes(tap.stream(client, Direction::kWrite)) == total);
    CHECK(contiguous_bytes(tap.stream(server, Direction::kRead)) == total);
    CHECK(contiguous_bytes(tap.stream(server, Direction::kWrite)) == 490);
    CHECK(contiguous_bytes(tap.stream(client, Direction::kRead)) == 490);
  }
  subject.finish();
  tap.drain();
  CHECK(tap.losses() == 0);
}

}  // namespace llmtap::test
