// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/process_info.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "userspace/enrich/process_names.h"

using namespace llmtap;
using namespace std::string_literals;

namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

}  // namespace

TEST_CASE("process: container ids", "[unit]") {
  struct Case {
    const char* name;
    std::string cgroup;
    std::string id;
  };
  const Case cases[] = {
      {"host", "0::/user.slice/user-0.slice/session-1.scope\n", ""},
      {"root", "0::/\n", ""},
      {"docker v1", "12:cpu:/docker/" + kId + "\n11:memory:/docker/" + kId + "\n", kId},
      {"docker v2 systemd", "0::/system.slice/docker-" + kId + ".scope\n", kId},
      {"containerd", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + kId + ".scope",
       kId},
      {"cri-o", "0::/kubepods.slice/crio-" + kId + ".scope\n", kId},
      {"kubernetes cgroupfs", "1:name=systemd:/kubepods/burstable/pod1c2d/" + kId + "\n", kId},
      {"podman", "0::/machine.slice/libpod-" + kId + ".scope/container\n", kId},
      {"seen from another cgroup namespace", "0::/../../docker/" + kId + "\n", kId},
      {"ECS", "1:cpu:/ecs/55091c13-b8cf/34dc0b5e626f2c5c4c5170e34b10e765-1234567890\n",
       "34dc0b5e626f2c5c4c5170e34b10e765-1234567890"},
      {"Garden", "1:cpu:/garden/6f265890-5165-7fab-6b52-18d1\n", "6f265890-5165-7fab-6b52-18d1"},
      {"63 digits", "0::/docker/" + kId.substr(1) + "\n", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(container_id(c.cgroup) == c.id); }
  }
}

TEST_CASE("process: secrets on command lines", "[unit]") {
  using Line = std::vector<std::string>;
  const std::string masked = "[REDACTED:option]";
  struct Case {
    const char* name;
    Line line, expected;
  };
  const Case cases[] = {
      {"nothing", {"python3", "app.py", "--port", "80"}, {"python3", "app.py", "--port", "80"}},
      {"option and value", {"x", "--api-key", "abc"}, {"x", "--api-key", masked}},
      {"one piece", {"x", "--api_key=abc"}, {"x", "--api_key=" + masked}},
      {"longer name",
       {"x", "--openai-api-key", "abc", "y"},
       {"x", "--openai-api-key", masked, "y"}},
      {"option follows", {"x", "--token", "--verbose"}, {"x", "--token", "--verbose"}},
      {"not a secret", {"x", "--max-tokens", "5"}, {"x", "--max-tokens", "5"}},
      {"variable", {"env", "OPENAI_API_KEY=abc", "x"}, {"env", "OPENAI_API_KEY=" + masked, "x"}},
      {"python's -u", {"python3", "-u", "app.py"}, {"python3", "-u", "app.py"}},
      {"curl user", {"curl", "-u", "me:pw"}, {"curl", "-u", masked}},
      {"header",
       {"curl", "-H", "Authorization: Bearer abc"},
       {"curl", "-H", "Authorization: " + masked}},
      {"vendor header", {"curl", "-H", "x-api-key: abc"}, {"curl", "-H", "x-api-key: " + masked}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      Line line = c.line;
      mask_command_line(line);
      CHECK(line == c.expected);
    }
  }
  Line line = {"app", "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ-klmnop"};
  mask_command_line(line);
  CHECK(line[1].find("abcdefghij") == std::string::npos);
}

TEST_CASE("process: service names", "[unit]") {
  struct Case {
    const char* name;
    Variables variables;
    const char* language;
    std::vector<std::string> arguments;
    const char* exe;
    const char* service;
  };
  const Case cases[] = {
      {"DD_SERVICE wins",
       {{"OTEL_SERVICE_NAME", "b"}, {"DD_SERVICE", "a"}},
       "python",
       {"python", "x.py"},
       "/p",
       "a"},
      {"OTEL_SERVICE_NAME", {{"OTEL_SERVICE_NAME", "b"}}, "python", {"python", "x.py"}, "/p", "b"},
      {"OTEL attribute",
       {{"OTEL_RESOURCE_ATTRIBUTES", "x=1,service.name=c,y=2"}},
       "",
       {},
       "/p",
       "c"},
      {"empty variable", {{"DD_SERVICE", ""}}, "", {}, "/usr/bin/curl", "curl"},
      {"python script",
       {},
       "python",
       {"python3", "-u", "-X", "dev", "/srv/chat_app.py", "--x"},
       "/p",
       "chat_app"},
      {"python module", {}, "python", {"python3", "-m", "pkg.worker"}, "/p", "pkg.worker"},
      {"python code",
       {},
       "python",
       {"python3", "-c", "print(1)"},
       "/usr/bin/python3.11",
       "python3.11"},
      {"console script",
       {},
       "python",
       {"/venv/bin/python", "/venv/bin/uvicorn", "main:app"},
       "/p",
       "uvicorn"},
      {"node script",
       {},
       "node",
       {"node", "--require", "./t.js", "--max-old-space-size=4", "dist/server.js"},
       "/n",
       "server"},
      {"java jar",
       {},
       "java",
       {"java", "-Xmx1g", "-cp", "a:b", "-jar", "/opt/shop.jar"},
       "/j",
       "shop"},
      {"java class", {}, "java", {"java", "-cp", "a:b", "com.acme.Main"}, "/j", "com.acme.Main"},
      {"program", {}, "", {"./agent", "run"}, "/opt/agent (deleted)", "agent"},
      {"nothing", {}, "", {}, "", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      CHECK(resolve_service(c.variables, c.language, c.arguments, c.exe) == c.service);
    }
  }
}

TEST_CASE("process: languages and tracers", "[unit]") {
  CHECK(language_of("/usr/bin/python3.11", "") == "python");
  CHECK(language_of("/opt/app", "7f-7f r-xp 0 0:0 1 /usr/lib/libpython3.11.so.1.0\n") == "python");
  CHECK(language_of("/usr/bin/node", "") == "node");
  CHECK(language_of("/opt/launcher", "x /usr/lib/jvm/lib/server/libjvm.so\n") == "java");
  CHECK(language_of("/usr/bin/curl", "x /usr/lib/libssl.so.3\n").empty());
  CHECK(has_tracer({"ddtrace-run", "python"}, ""));
  CHECK(has_tracer({}, "x /usr/lib/python3/site-packages/ddtrace/internal/_encoding.so\n"));
  CHECK_FALSE(has_tracer({"python", "app.py"}, "x /usr/lib/libssl.so.3\n"));
}

TEST_CASE("process: chosen variables only", "[unit]") {
  const auto chosen =
      choose_variables("PATH=/bin\0DD_SERVICE=shop\0OPENAI_API_KEY=k\0DD_ENV=a=b\0X"s);
  CHECK(chosen == Variables{{"DD_SERVICE", "shop"}, {"DD_ENV", "a=b"}});
  CHECK(choose_variables("").empty());
}

TEST_CASE("process: a live one, and after its end", "[unit]") {
  const pid_t pid = fork();
  if (pid == 0) {
    setenv("DD_SERVICE", "sleeper", 1);
    setenv("OPENAI_API_KEY", "do-not-read", 1);
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(127);
  }
  ProcessTable table;
  ProcessInfo info;
  for (int i = 0; i < 1000 && info.comm != "sleep"; ++i) {
    table.seen(pid);
    info = table.info(pid);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(info.pid == static_cast<std::uint32_t>(pid));
  CHECK(info.service == "sleeper");
  CHECK(info.exe.find("sleep") != std::string::npos);
  CHECK(info.command_line == std::vector<std::string>{"sleep", "60"});
  for (const auto& [name, value] : info.environment) CHECK(name.starts_with("DD_"));
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  CHECK(table.info(pid) == info);  // not told yet
  table.gone(pid);
  CHECK(table.info(pid) == info);
  const auto unknown = table.info(1 << 30);
  CHECK(unknown.service == "unknown");
}
