// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>
#include <thread>

#include "userspace/base/fd.h"

using namespace llmtap;

namespace {

Fd connect_to(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

// One request as text; everything the server says until it closes.
std::string ask(std::uint16_t port, const std::string& request) {
  const Fd fd = connect_to(port);
  REQUIRE(::write(fd.get(), request.data(), request.size()) ==
          static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(n));
  return answer;
}

std::unique_ptr<HttpServer> serve() {
  auto server = HttpServer::start({"127.0.0.1", 0}, [](const HttpServer::Request& request) {
    if (request.path == "/long")
      return HttpServer::Response{200, "text/plain", std::string(1 << 20, 'x')};
    return HttpServer::Response{200, "text/plain",
                                request.method + ' ' + request.path + '?' + request.query};
  });
  REQUIRE(server.ok());
  return std::move(*server);
}

}  // namespace

TEST_CASE("http server: answers, refuses, and ends", "[unit]") {
  const auto server = serve();
  const std::string end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto page = ask(server->port(), "GET /a?b=c" + end);
  CHECK(page.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(page.ends_with("\r\n\r\nGET /a?b=c"));
  CHECK(ask(server->port(), "HEAD /a" + end).ends_with("\r\n\r\n"));
  CHECK(ask(server->port(),
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close"
            "\r\n\r\n")
            .starts_with("HTTP/1.1 501"));
  CHECK(ask(server->port(), "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
  const auto big = "GET / HTTP/1.1\r\nX: " + std::string(1 << 18, 'y') + "\r\n\r\n";
  CHECK_FALSE(ask(server->port(), big).starts_with("HTTP/1.1 200"));
  const auto packed = ask(server->port(),
                          "GET /long HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n"
                          "Connection: close\r\n\r\n");
  CHECK(packed.find("Content-Encoding: gzip") != std::string::npos);
  CHECK(packed.size() < 100'000);
}

TEST_CASE("http server: many clients that say nothing hold nobody up", "[unit]") {
  const auto server = serve();
  std::vector<Fd> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(connect_to(server->port()));
  CHECK(ask(server->port(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .starts_with("HTTP/1.1 200"));
}

// A client that opens connections must not take the file descriptors of the daemon.
TEST_CASE("http server: the number of connections is bounded", "[unit]") {
  const auto server = serve();
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd"), end;
    return static_cast<std::size_t>(std::distance(files, end));
  };
  const auto before = open_files();
  std::vector<Fd> silent;
  for (int i = 0; i < 400; ++i) {
    silent.push_back(connect_to(server->port()));
    if (i % 3 == 0) {  // a head that never ends
      REQUIRE(::write(silent.back().get(), "GET / HTTP/1.1\r\nX: ", 19) > 0);
    }
  }
  // Answered after all that came before it.
  CHECK(ask(server->port(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .starts_with("HTTP/1.1 200"));
  const auto theirs = open_files() - before - silent.size();
  CHECK(theirs <= HttpServer::kConnections + 8);
  // The newest is served still.
  const std::string request = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto fd = connect_to(server->port());
  REQUIRE(::write(fd.get(), request.data(), request.size()) > 0);
  char buffer[64];
  CHECK(::read(fd.get(), buffer, sizeof buffer) > 0);
}

TEST_CASE("http server: a port that is taken is said", "[unit]") {
  const auto server = serve();
  const auto second = HttpServer::start({"127.0.0.1", server->port()}, {});
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().message ==
        "127.0.0.1:" + std::to_string(server->port()) + ": Address already in use");
}

TEST_CASE("http server: listen addresses", "[unit]") {
  struct Case {
    const char* text;
    bool ok;
    const char* host;
    int port;
  };
  const Case cases[] = {{"127.0.0.1:9464", true, "127.0.0.1", 9464},
                        {"[::1]:80", true, "::1", 80},
                        {":9464", true, "", 9464},
                        {"localhost:0", true, "localhost", 0},
                        {"9464", false, "", 0},
                        {"::1:80", false, "", 0},
                        {"a:99999", false, "", 0},
                        {"a:", false, "", 0}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      const auto parsed = parse_listen(c.text);
      REQUIRE(parsed.ok() == c.ok);
      if (!c.ok) continue;
      CHECK(parsed->host == c.host);
      CHECK(parsed->port == c.port);
    }
  }
}
