// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/proxy_hops.h"

#include <catch2/catch.hpp>
#include <string>

using namespace llmtap;

namespace {

constexpr std::uint32_t kApp = 10, kGateway = 20, kOther = 30;

CallRecord call_of(std::uint32_t tgid, TimeNs begin, TimeNs end, std::string text,
                   std::string response_id = {}) {
  CallRecord call;
  call.conn.tgid = tgid;
  call.id = "c" + std::to_string(begin);
  call.timing.request_start = begin;
  call.timing.end = end;
  call.response_id = std::move(response_id);
  call.cost = Cost{};
  Message message;
  message.parts.emplace_back().text = std::move(text);
  call.output.push_back(std::move(message));
  return call;
}

CallRecord served_by(CallRecord call, std::uint32_t tgid) {
  ServerEnd end;
  end.conn.tgid = tgid;
  call.server = end;
  return call;
}

// The id of the call behind; "" if it is no hop.
std::string hop(const CallRecord& call) {
  for (const auto& entry : call.vendor) {
    if (entry.name == "proxy_hop") return entry.json;
  }
  return {};
}

}  // namespace

TEST_CASE("proxy hops: which calls are passed on", "[unit]") {
  struct Case {
    const char* name;
    CallRecord upstream;
    CallRecord call;
    const char* behind;
  };
  CallRecord at_server = call_of(kGateway, 100, 900, "hi");
  at_server.observed = ObservedEnd::kServer;
  const Case cases[] = {
      {"both ends seen, other text", call_of(kGateway, 200, 800, "x"),
       served_by(call_of(kApp, 100, 900, "hi"), kGateway), "\"c200\""},
      {"client elsewhere", call_of(kGateway, 200, 800, "hi"), at_server, "\"c200\""},
      {"only the id, passed on", call_of(kGateway, 200, 800, "hi", "chatcmpl-1"),
       call_of(kApp, 100, 900, "hi", "chatcmpl-1"), "\"c200\""},
      {"same answer is not enough without the server", call_of(kGateway, 200, 800, "hi"),
       call_of(kApp, 100, 900, "hi"), ""},
      {"another process made it", call_of(kOther, 200, 800, "hi"),
       served_by(call_of(kApp, 100, 900, "hi"), kGateway), ""},
      {"began before", call_of(kGateway, 50, 800, "hi"),
       served_by(call_of(kApp, 100, 900, "hi"), kGateway), ""},
      {"went on for long", call_of(kGateway, 200, 900 + 2 * ProxyHops::kSlackNs, "hi"),
       served_by(call_of(kApp, 100, 900, "hi"), kGateway), ""},
      {"a process is not its own gateway", call_of(kApp, 200, 800, "hi", "chatcmpl-1"),
       call_of(kApp, 100, 900, "hi", "chatcmpl-1"), ""},
      {"short ids are nobody's", call_of(kGateway, 200, 800, "hi", "1"),
       call_of(kApp, 100, 900, "hi", "1"), ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      ProxyHops hops;
      CallRecord upstream = c.upstream, call = c.call;
      hops.apply(upstream);
      hops.apply(call);
      CHECK(hop(upstream).empty());
      CHECK(upstream.cost.has_value());
      CHECK(hop(call) == c.behind);
      CHECK(call.cost.has_value() == hop(call).empty());
    }
  }
}

TEST_CASE("proxy hops: calls in parallel find their own", "[unit]") {
  ProxyHops hops;
  CallRecord a = call_of(kGateway, 210, 700, "alpha"), b = call_of(kGateway, 220, 710, "beta");
  hops.apply(a);
  hops.apply(b);
  CallRecord second = served_by(call_of(kApp, 101, 900, "beta"), kGateway);
  CallRecord first = served_by(call_of(kApp, 100, 910, "alpha"), kGateway);
  CallRecord third = served_by(call_of(kApp, 102, 920, "gamma"), kGateway);
  hops.apply(second);
  hops.apply(first);
  hops.apply(third);
  CHECK(hop(second) == "\"c220\"");
  CHECK(hop(first) == "\"c210\"");
  CHECK(hop(third).empty());  // the gateway answered that one itself (a cache)
}

TEST_CASE("proxy hops: a chain of gateways counts once", "[unit]") {
  ProxyHops hops;
  CallRecord vendor = call_of(kOther, 300, 700, "hi");
  CallRecord inner = served_by(call_of(kGateway, 200, 800, "hi"), kOther);
  CallRecord outer = served_by(call_of(kApp, 100, 900, "hi"), kGateway);
  for (auto* call : {&vendor, &inner, &outer}) hops.apply(*call);
  CHECK(hop(vendor).empty());
  CHECK(hop(inner) == "\"c300\"");
  CHECK(hop(outer) == "\"c200\"");
}

TEST_CASE("proxy hops: bounded", "[unit]") {
  ProxyHops hops;
  CallRecord first = call_of(kGateway, 200, 800, "x", "chatcmpl-first");
  hops.apply(first);
  for (std::size_t i = 0; i < ProxyHops::kMostCalls; ++i) {
    CallRecord call = call_of(kOther, 200, 800, "x");
    hops.apply(call);
  }
  CallRecord late = call_of(kApp, 100, 900, "x", "chatcmpl-first");
  hops.apply(late);
  CHECK(hop(late).empty());
}
