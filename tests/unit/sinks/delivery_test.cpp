// SPDX-License-Identifier: Apache-2.0
//
// Faults of a destination: whatever happens, every record arrives, none twice by id, or a counter
// explains it.
#include "userspace/sinks/delivery.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/http_receiver.h"
#include "tests/support/scratch_directory.h"

using namespace llmtap;
using namespace llmtap::test;
using std::chrono::milliseconds;

namespace {

std::string record(int id) { return "{\"id\":" + std::to_string(id) + "}"; }

// How often each id arrived in requests that the server took.
std::map<int, int> arrived(const std::vector<Received>& requests) {
  std::map<int, int> ids;
  for (const auto& request : requests) {
    const auto batch = nlohmann::json::parse(request.body, nullptr, false);
    if (!batch.is_array()) continue;
    for (const auto& entry : batch) ++ids[entry["id"].get<int>()];
  }
  return ids;
}

DeliveryOptions options_for(const std::string& url) {
  DeliveryOptions options;
  options.name = "test";
  options.resolve = [url](HttpClient&) -> Result<HttpEndpoint> {
    return HttpEndpoint{url + "/in", "", {}};
  };
  options.linger = milliseconds{5};
  options.first_backoff = milliseconds{20};
  options.most_backoff = milliseconds{50};
  options.timeout = milliseconds{2000};
  return options;
}

std::unique_ptr<Spool> memory() { return std::move(Spool::open("", 1 << 20).value()); }

}  // namespace

TEST_CASE("delivery: answers of a destination", "[unit]") {
  struct Case {
    const char* name;
    std::function<Reply(int attempt)> script;
    std::uint64_t delivered;
    std::uint64_t rejected;
    bool resent;  // the same ids may have been offered before
  };
  const Case cases[] = {
      {"taken", [](int) { return Reply{}; }, 20, 0, false},
      {"503 twice", [](int n) { return n < 2 ? Reply{503} : Reply{}; }, 20, 0, true},
      {"429 with Retry-After",
       [](int n) { return n < 1 ? Reply{429, "Retry-After: 1\r\n"} : Reply{}; }, 20, 0, true},
      {"reset", [](int n) { return n < 2 ? Reply{.reset = true} : Reply{}; }, 20, 0, true},
      {"404 for a while", [](int n) { return n < 2 ? Reply{404} : Reply{}; }, 20, 0, true},
      {"400 for good", [](int) { return Reply{400}; }, 0, 20, true},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      std::atomic<int> attempts{0};
      std::vector<int> statuses;
      HttpReceiver server([&](const Received&) {
        const Reply reply = c.script(attempts++);
        statuses.push_back(reply.reset ? 0 : reply.status);
        return reply;
      });
      Delivery delivery(options_for(server.url()), memory());
      for (int id = 0; id < 20; ++id) delivery.send(record(id));
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
      while (delivery.counts().spool.records > 0 && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(milliseconds{5});
      }
      const auto counts = delivery.counts();
      CHECK(counts.delivered == c.delivered);
      CHECK(counts.rejected == c.rejected);
      CHECK(counts.spool.records == 0);
      std::map<int, int> taken;
      const auto requests = server.requests();
      for (std::size_t i = 0; i < requests.size(); ++i) {
        if (statuses[i] < 200 || statuses[i] >= 300) continue;
        for (const auto& [id, times] : arrived({requests[i]})) taken[id] += times;
      }
      CHECK(taken.size() == c.delivered);
      for (const auto& [id, times] : taken) CHECK(times == 1);
    }
  }
}

TEST_CASE("delivery: a record that the disk does not give back spoils no batch", "[unit]") {
  ScratchDirectory scratch;
  auto spool = std::move(Spool::open(scratch.path("spool"), 1 << 20).value());
  for (int i = 0; i < 3; ++i) spool->append(record(i));
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path("spool"))) {
    if (entry.path().extension() == ".spool")
      std::filesystem::resize_file(entry, std::filesystem::file_size(entry) - 1);
  }
  HttpReceiver server;
  Delivery delivery(options_for(server.url()), std::move(spool));
  delivery.flush(milliseconds{5000});
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0].body == "[" + record(0) + "," + record(1) + "]");
  CHECK(delivery.counts().delivered == 2);
  CHECK(delivery.counts().spool.dropped == 1);
  CHECK(delivery.counts().spool.records == 0);
}

TEST_CASE("delivery: a header that would be two is not sent", "[unit]") {
  HttpReceiver server;
  HttpClient client;
  for (const auto& value :
       {std::string("a\nX: b"), std::string("a\r\nX: b"), std::string("a\0b", 3)}) {
    HttpRequest request;
    request.url = server.url();
    request.headers = {"Name: " + value};
    CHECK_FALSE(client.send(request).ok());
  }
  CHECK(server.requests().empty());
}

TEST_CASE("delivery: Retry-After is honoured", "[unit]") {
  std::atomic<int> attempts{0};
  std::vector<std::chrono::steady_clock::time_point> times;
  HttpReceiver server([&](const Received&) {
    times.push_back(std::chrono::steady_clock::now());
    return attempts++ == 0 ? Reply{429, "Retry-After: 1\r\n"} : Reply{};
  });
  Delivery delivery(options_for(server.url()), memory());
  delivery.send(record(1));
  REQUIRE(server.wait([](const auto& r) { return r.size() == 2; }));
  CHECK(times[1] - times[0] >= milliseconds{990});
}

TEST_CASE("delivery: 413 is halved until it fits, a record that never fits is dropped", "[unit]") {
  HttpReceiver server(
      [](const Received& request) { return request.body.size() > 60 ? Reply{413} : Reply{}; });
  auto options = options_for(server.url());
  options.linger = milliseconds{100};
  Delivery delivery(options, memory());
  for (int id = 0; id < 40; ++id) delivery.send(record(id));
  delivery.send("{\"id\":99,\"long\":\"" + std::string(100, 'x') + "\"}");
  delivery.send(record(100));
  REQUIRE(server.wait([](const auto&) { return false; }, milliseconds{700}) == false);
  delivery.flush(milliseconds{5000});
  const auto counts = delivery.counts();
  CHECK(counts.delivered == 41);
  CHECK(counts.rejected == 1);
  CHECK(counts.spool.records == 0);
}

TEST_CASE("delivery: a refused key stops, keeps and says so", "[unit]") {
  HttpReceiver server([](const Received&) { return Reply{401}; });
  ScratchDirectory scratch;
  {
    Delivery delivery(options_for(server.url()),
                      std::move(Spool::open(scratch.path(), 1 << 24).value()));
    for (int id = 0; id < 10; ++id) delivery.send(record(id));
    REQUIRE(server.wait([](const auto& r) { return !r.empty(); }));
    std::this_thread::sleep_for(milliseconds{300});
    CHECK(server.requests().size() == 1);  // no hammering
    CHECK(delivery.counts().spool.records == 10);
  }
  HttpReceiver good;
  Delivery delivery(options_for(good.url()),
                    std::move(Spool::open(scratch.path(), 1 << 24).value()));
  CHECK(good.wait([](const auto& r) { return arrived(r).size() == 10; }));
}

TEST_CASE("delivery: down, then up", "[unit]") {
  int port = 0;
  {
    port = HttpReceiver().port();
  }  // a port on which nobody listens now
  ScratchDirectory scratch;
  Delivery delivery(options_for("http://127.0.0.1:" + std::to_string(port)),
                    std::move(Spool::open(scratch.path(), 1 << 24).value()));
  for (int id = 0; id < 2000; ++id) delivery.send(record(id));
  std::this_thread::sleep_for(milliseconds{200});
  CHECK(delivery.counts().spool.records == 2000);
  HttpReceiver server([](const Received&) { return Reply{}; }, port);
  REQUIRE(server.wait([](const auto& r) { return arrived(r).size() == 2000; }));
  for (const auto& [id, times] : arrived(server.requests())) CHECK(times == 1);
}

TEST_CASE("delivery: a slow destination holds nobody up", "[unit]") {
  HttpReceiver server([](const Received&) { return Reply{.delay = milliseconds{300}}; });
  Delivery delivery(options_for(server.url()), memory());
  const auto begin = std::chrono::steady_clock::now();
  for (int id = 0; id < 500; ++id) delivery.send(record(id));
  CHECK(std::chrono::steady_clock::now() - begin < milliseconds{250});
  delivery.flush(milliseconds{5000});
  CHECK(arrived(server.requests()).size() == 500);
}

TEST_CASE("delivery: flush keeps its deadline", "[unit]") {
  HttpReceiver server([](const Received&) { return Reply{503}; });
  Delivery delivery(options_for(server.url()), memory());
  delivery.send(record(1));
  const auto begin = std::chrono::steady_clock::now();
  delivery.flush(milliseconds{200});
  CHECK(std::chrono::steady_clock::now() - begin < milliseconds{1000});
}

TEST_CASE("delivery: kill -9 while sending, then restart", "[unit]") {
  HttpReceiver server([](const Received&) { return Reply{.delay = milliseconds{20}}; });
  ScratchDirectory scratch;
  constexpr int kRecords = 3000;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto options = options_for(server.url());
    options.batch_records = 10;
    Delivery delivery(options, std::move(Spool::open(scratch.path(), 1 << 24).value()));
    for (int id = 0; id < kRecords; ++id) delivery.send(record(id));
    [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
    ::pause();
  }
  ::close(ready[1]);  // if the child is gone, so is the other end
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  REQUIRE(server.wait([](const auto& r) { return r.size() >= 3; }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto before = arrived(server.requests());
  CHECK(before.size() < kRecords);

  Delivery delivery(options_for(server.url()),
                    std::move(Spool::open(scratch.path(), 1 << 24).value()));
  REQUIRE(server.wait([](const auto& r) { return arrived(r).size() == kRecords; }));
  // Only the batch that was on its way may come again, with the same ids.
  int twice = 0;
  for (const auto& [id, times] : arrived(server.requests())) twice += times > 1 ? 1 : 0;
  CHECK(twice <= 20);
  ::close(ready[0]);
}

TEST_CASE("delivery: Retry-After forms", "[unit]") {
  struct Case {
    const char* value;
    std::optional<int> seconds;
  };
  const Case cases[] = {{"120", 120},
                        {"0", 0},
                        {"-5", 0},
                        {"Thu, 01 Jan 1970 00:01:40 GMT", 90},
                        {"Thu, 01 Jan 1970 00:00:05 GMT", 0},
                        {"99999999", 3600},
                        {"soon", {}},
                        {"", {}}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.value) {
      const auto parsed = parse_retry_after(c.value, 10);
      REQUIRE(parsed.has_value() == c.seconds.has_value());
      if (parsed) CHECK(parsed->count() == *c.seconds);
    }
  }
}
