// SPDX-License-Identifier: Apache-2.0
//
// LLMTAP_TEST_BPF=off on a machine that cannot do eBPF: the tests say so and ctest reports them as
// skipped. Without it they fail there.
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

constexpr int kSkipped = 77;  // SKIP_RETURN_CODE in CMakeLists.txt

struct OffSwitch : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testRunStarting(const Catch::TestRunInfo&) override {
    const char* value = std::getenv("LLMTAP_TEST_BPF");
    if (value == nullptr || std::string_view(value) != "off") return;
    std::cout << "LLMTAP_TEST_BPF=off: no bpf test was run" << std::endl;
    std::exit(kSkipped);
  }
};

}  // namespace

CATCH_REGISTER_LISTENER(OffSwitch)
