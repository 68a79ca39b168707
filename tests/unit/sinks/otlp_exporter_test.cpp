// SPDX-License-Identifier: Apache-2.0
//
// OTLP over a real HTTP connection: what is sent, and what each answer causes.
#include "userspace/sinks/otlp_exporter.h"

#include <zlib.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <protozero/pbf_reader.hpp>
#include <random>

#include "tests/support/http_receiver.h"
#include "tests/unit/sinks/otlp_support.h"

using namespace llmtap;
using namespace llmtap::test;
using std::chrono::milliseconds;

namespace {

std::unique_ptr<Spool> memory() { return std::move(Spool::open("", 1 << 24).value()); }

std::string gunzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, MAX_WBITS + 16);
  std::string out(std::size_t{1} << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  out.resize(result == Z_STREAM_END ? stream.total_out : 0);
  inflateEnd(&stream);
  return out;
}

std::vector<SharedCall> calls(int count) {
  std::vector<SharedCall> all;
  for (int i = 0; i < count; ++i) {
    auto call = sample_chat();
    call.id = "call-" + std::to_string(i);
    all.push_back(std::make_shared<CallRecord>(std::move(call)));
  }
  return all;
}

int groups(const std::string& request) {
  int count = 0;
  for (protozero::pbf_reader message(request); message.next(1); message.skip()) ++count;
  return count;
}

bool has_header(const Received& request, const std::string& line) {
  return request.headers.find(line + "\r\n") != std::string::npos;
}

Delivery quick(const std::string& url, std::size_t batch = 512) {
  OtlpTarget target;
  target.url = url + "/v1/traces";
  auto options = otlp_delivery(otlp::Signal::kTraces, target, "test");
  options.linger = milliseconds{50};
  options.first_backoff = milliseconds{20};
  options.most_backoff = milliseconds{50};
  options.batch_records = batch;
  return Delivery(std::move(options), memory());
}

SinkCounts counts_of(const RecordWriter& writer) {
  SinkCounts counts;
  writer.count(counts);
  return counts;
}

}  // namespace

TEST_CASE("otlp: what arrives", "[unit]") {
  HttpReceiver server([](const Received&) { return Reply{.status = 200, .body = ""}; });
  OtlpTarget target;
  target.url = server.url() + "/v1/traces";
  target.headers = {"api-key: k"};
  SECTION("protobuf, compressed") {
    auto writer = make_otlp_traces(target, {}, {}, memory());
    writer->write(calls(3));
    writer->flush(milliseconds{5000});
    const auto requests = server.requests();
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].path == "/v1/traces");
    CHECK(has_header(requests[0], "Content-Type: application/x-protobuf"));
    CHECK(has_header(requests[0], "Content-Encoding: gzip"));
    CHECK(has_header(requests[0], "api-key: k"));
    CHECK(groups(gunzip(requests[0].body)) == 3);
    CHECK(counts_of(*writer).delivery->delivered == 3);
  }
  SECTION("JSON, plain") {
    target.format = otlp::Format::kJson;
    target.gzip = false;
    auto writer = make_otlp_traces(target, {}, {}, memory());
    writer->write(calls(2));
    writer->flush(milliseconds{5000});
    const auto requests = server.requests();
    REQUIRE(requests.size() == 1);
    CHECK(has_header(requests[0], "Content-Type: application/json"));
    CHECK(!has_header(requests[0], "Content-Encoding: gzip"));
    CHECK(nlohmann::json::parse(requests[0].body)["resourceSpans"].size() == 2);
  }
  SECTION("metrics at flush, none before a call") {
    auto writer = make_otlp_metrics(target, {}, {}, milliseconds{60'000}, memory());
    writer->flush(milliseconds{100});
    CHECK(server.requests().empty());
    writer->write(calls(2));
    writer->flush(milliseconds{5000});
    CHECK(server.requests().size() == 1);
  }
  SECTION("metrics by interval") {
    auto writer = make_otlp_metrics(target, {}, {}, milliseconds{100}, memory());
    writer->write(calls(1));
    CHECK(server.wait([](const auto& requests) { return requests.size() >= 2; }));
  }
  SECTION("events") {
    auto writer = make_otlp_logs(target, {}, {}, memory());
    writer->write(calls(1));
    writer->flush(milliseconds{5000});
    REQUIRE(server.requests().size() == 1);
    CHECK(gunzip(server.requests()[0].body).find("inference.operation.details") !=
          std::string::npos);
  }
}

TEST_CASE("otlp: management calls are no spans", "[unit]") {
  HttpReceiver server;
  OtlpTarget target;
  target.url = server.url();
  auto writer = make_otlp_traces(target, {}, {}, memory());
  auto call = sample_chat();
  call.operation = Operation::kManagement;
  const std::vector<SharedCall> one = {std::make_shared<CallRecord>(std::move(call))};
  writer->write(one);
  writer->flush(milliseconds{200});
  CHECK(server.requests().empty());
}

TEST_CASE("otlp: answers of a destination", "[unit]") {
  struct Case {
    const char* name;
    std::function<Reply(int attempt)> script;
    std::uint64_t delivered, rejected, requests;
  };
  const auto always = [](int status) { return [status](int) { return Reply{status}; }; };
  const auto once = [](int status) {
    return [status](int n) { return n == 0 ? Reply{status} : Reply{}; };
  };
  const Case cases[] = {
      {"400 is not tried again", always(400), 0, 4, 1},
      {"404 is not tried again", always(404), 0, 4, 1},
      {"500 is not tried again", always(500), 0, 4, 1},
      {"501 is not tried again", always(501), 0, 4, 1},
      {"429 is", once(429), 4, 0, 2},
      {"502 is", once(502), 4, 0, 2},
      {"503 is", once(503), 4, 0, 2},
      {"504 is", once(504), 4, 0, 2},
      {"a reset is", [](int n) { return n == 0 ? Reply{.reset = true} : Reply{}; }, 4, 0, 2},
      {"413 is halved", once(413), 4, 0, 3},
      {"415: without gzip", once(415), 4, 0, 2},
      {"partial success is not tried again",
       [](int) {
         return Reply{.status = 200, .body = R"({"partialSuccess":{"rejectedSpans":"3"}})"};
       },
       1, 3, 1},
      {"a warning rejects nothing",
       [](int) {
         return Reply{.status = 200, .body = R"({"partialSuccess":{"errorMessage":"hm"}})"};
       },
       4, 0, 1},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      std::atomic<int> attempts{0};
      HttpReceiver server([&](const Received&) { return c.script(attempts++); });
      auto delivery = quick(server.url());
      for (int i = 0; i < 4; ++i) delivery.send("\x0a");
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{5};
      while (delivery.counts().spool.records > 0 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(milliseconds{5});
      std::this_thread::sleep_for(milliseconds{30});
      const auto counts = delivery.counts();
      CHECK(counts.delivered == c.delivered);
      CHECK(counts.rejected == c.rejected);
      CHECK(counts.requests == c.requests);
    }
  }
}

TEST_CASE("otlp: a refused key keeps what there is", "[unit]") {
  HttpReceiver server([](const Received&) { return Reply{401}; });
  auto delivery = quick(server.url());
  delivery.send("x");
  REQUIRE(server.wait([](const auto& requests) { return !requests.empty(); }));
  std::this_thread::sleep_for(milliseconds{200});
  CHECK(server.requests().size() == 1);
  CHECK(delivery.counts().spool.records == 1);
}

TEST_CASE("otlp: a connection reset inside the body", "[unit]") {
  HttpReceiver server;
  server.cut_bodies(2);
  auto delivery = quick(server.url());
  std::string record(std::size_t{4} << 20,
                     'x');  // does not compress: more than socket buffers hold
  std::minstd_rand random;
  for (char& c : record) c = static_cast<char>(random());
  delivery.send(record);
  REQUIRE(server.wait([](const auto& requests) { return !requests.empty(); }));
  delivery.flush(milliseconds{2000});
  CHECK(delivery.counts().delivered == 1);
  CHECK(delivery.counts().retries == 2);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("otlp: a receiver slower than the timeout is tried again", "[unit]") {
  std::atomic<int> attempts{0};
  HttpReceiver server(
      [&](const Received&) { return Reply{.delay = milliseconds{attempts++ == 0 ? 400 : 0}}; });
  OtlpTarget target;
  target.url = server.url();
  target.timeout = milliseconds{100};
  auto options = otlp_delivery(otlp::Signal::kTraces, target, "test");
  options.linger = milliseconds{5};
  options.first_backoff = milliseconds{20};
  Delivery delivery(std::move(options), memory());
  delivery.send("x");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{5};
  while (delivery.counts().delivered == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds{5});
  CHECK(delivery.counts().delivered == 1);
  CHECK(delivery.counts().retries >= 1);
}
