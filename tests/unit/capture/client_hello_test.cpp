// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/client_hello.h"

#include <catch2/catch.hpp>

using namespace llmtap;

namespace {

std::string number(std::size_t value, int width) {
  std::string out;
  while (width-- > 0) out += static_cast<char>(value >> (8 * width));
  return out;
}
std::string sized(const std::string& bytes, int width) {
  return number(bytes.size(), width) + bytes;
}

std::string hello(const std::string& extensions) {
  const std::string body = "\x03\x03" + std::string(32, 'r') + sized(std::string(32, 's'), 1) +
                           sized(std::string("\x13\x01\x13\x02", 4), 2) +
                           sized(std::string(1, '\0'), 1) + sized(extensions, 2);
  return std::string("\x16\x03\x01", 3) + sized("\x01" + sized(body, 3), 2);
}
std::string extension(int type, const std::string& bytes) {
  return number(type, 2) + sized(bytes, 2);
}
std::string named(const std::string& host) {
  return extension(0, sized(std::string(1, '\0') + sized(host, 2), 2));
}

}  // namespace

TEST_CASE("client hello: the host's name", "[unit]") {
  struct Case {
    const char* name;
    std::string record;
    std::optional<std::string> host;
  };
  const std::string groups = extension(10, std::string(6, 'g'));
  const Case cases[] = {
      {"first", hello(named("api.openai.com") + groups), "api.openai.com"},
      {"behind others", hello(groups + named("API.OpenAI.com")), "api.openai.com"},
      {"none", hello(groups), std::nullopt},
      {"no extensions", hello(""), std::nullopt},
      {"empty name", hello(named("")), std::nullopt},
      {"control characters", hello(named("a\nb")), std::nullopt},
      {"not a handshake", "\x17" + hello(named("x.y")).substr(1), std::nullopt},
      {"nothing", "", std::nullopt},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(server_name(c.record) == c.host); }
  }
}

TEST_CASE("client hello: cut anywhere", "[unit]") {
  const std::string whole = hello(extension(10, "gg") + named("api.openai.com"));
  for (std::size_t size = 0; size < whole.size(); ++size)
    REQUIRE_FALSE(server_name(std::string_view(whole).substr(0, size)));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = '\xff';
    static_cast<void>(server_name(damaged));  // no crash (sanitizers)
  }
}
