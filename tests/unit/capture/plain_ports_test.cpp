// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/plain_ports.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

namespace llmtap {
namespace {

using namespace std::string_literals;

TEST_CASE("plain_ports: who serves models", "[unit]") {
  struct Case {
    const char* name;
    std::string command_line;
    bool expected;
  };
  const Case cases[] = {
      {"ollama", "/usr/local/bin/ollama\0serve\0"s, true},
      {"a module of python", "python3\0-m\0vllm.entrypoints.openai.api_server\0--model\0x\0"s,
       true},
      {"a console script", "/opt/venv/bin/python\0/opt/venv/bin/vllm\0serve\0"s, true},
      {"a title with spaces", "litellm --port 4001", true},
      {"llama.cpp", "./build/bin/llama-server\0-m\0model.gguf\0"s, true},
      {"another program", "/usr/sbin/nginx\0-g\0daemon off;\0"s, false},
      {"part of a word", "/usr/bin/vllmfoo\0serve\0"s, false},
      {"a late argument",
       "ssh\0-p\0"
       "22\0host\0ollama\0serve\0"s,
       false},
      {"nothing", "", false},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(is_model_server(c.command_line) == c.expected); }
  }
}

TEST_CASE("plain_ports: no port out of the ephemeral range, none twice", "[unit]") {
  auto ports = default_plain_ports();
  const auto count = ports.size();
  std::sort(ports.begin(), ports.end());
  CHECK(std::unique(ports.begin(), ports.end()) == ports.end());
  CHECK(ports.size() == count);
  for (const auto port : ports) CHECK(port < 32768);
}

}  // namespace
}  // namespace llmtap
