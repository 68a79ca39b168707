// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/peer_match.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/chunker.h"
#include "tests/support/conversation.h"
#include "tests/support/record_log.h"

namespace llmtap {
namespace {

using namespace testing;

constexpr Direction kUp = Direction::kWrite;
constexpr Direction kDown = Direction::kRead;
constexpr TimeNs kMs = 1'000'000;
constexpr ConnId kApp{10, 1, 1}, kServer{20, 1, 1};

// Feeds bytes of a connection at a time, keeping its offsets.
class Wire {
 public:
  Wire(Assembler& assembler, ConnId conn) : assembler_(assembler), conn_(conn) {}
  void operator()(Direction direction, const std::string& bytes, TimeNs ns, std::uint64_t missing = 0) {
    Chunk chunk;
    chunk.conn = conn_;
    chunk.direction = direction;
    chunk.offset = offsets_[static_cast<int>(direction)];
    chunk.begin_ns = chunk.end_ns = ns;
    chunk.bytes = bytes;
    chunk.missing = missing;
    offsets_[static_cast<int>(direction)] += bytes.size() + missing;
    assembler_.feed(chunk);
  }

 private:
  Assembler& assembler_;
  ConnId conn_;
  std::uint64_t offsets_[2] = {0, 0};
};

TEST_CASE("stream_hash: the same however it is cut", "[unit]") {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  StreamHash whole;
  whole.add(text);
  for (std::size_t size = 1; size <= text.size(); ++size) {
    StreamHash cut;
    in_pieces(text, size, [&](std::string_view piece) { cut.add(piece); });
    CHECK(cut.value() == whole.value());
  }
  StreamHash longer;
  longer.add(text);
  longer.add(std::string_view("\0", 1));
  CHECK(longer.value() != whole.value());
}

TEST_CASE("peer_match: both ends on one node are one call", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  Wire app(assembler, kApp), server(assembler, kServer);
  const std::string request = chat_request("hi"), response = chat_response("id-1", "yo");
  SECTION("the client's events come first") {
    app(kUp, request, 100 * kMs);
    server(kDown, request, 101 * kMs);
    server(kUp, response, 200 * kMs);
    app(kDown, response, 201 * kMs);
  }
  SECTION("the server's events come first") {
    server(kDown, request, 101 * kMs);
    server(kUp, response, 200 * kMs);
    CHECK(log.records.empty());
    app(kUp, request, 100 * kMs);
    app(kDown, response, 201 * kMs);
  }
  SECTION("the request was not seen whole at one end: the response id tells") {
    app(kUp, request, 100 * kMs);
    server(kDown, request.substr(0, request.size() - 20), 101 * kMs, 20);
    server(kUp, response, 200 * kMs);
    app(kDown, response, 201 * kMs);
  }
  assembler.advance(1000 * kMs);
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].observed == ObservedEnd::kClient);
  CHECK(log.records[0].conn == kApp);
  CHECK(assembler.merged() == 1);
}

TEST_CASE("peer_match: a server whose client is elsewhere is reported after the grace", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  Wire server(assembler, kServer);
  server(kDown, chat_request("hi"), 100 * kMs);
  server(kUp, chat_response("id-1", "yo"), 200 * kMs);
  CHECK(log.records.empty());
  assembler.advance(200 * kMs + PeerMatch::kGraceNs - 1);
  CHECK(log.records.empty());
  SECTION("by event time") { assembler.advance(200 * kMs + PeerMatch::kGraceNs); }
  SECTION("or at the end") { assembler.finish(201 * kMs); }
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].observed == ObservedEnd::kServer);
}

TEST_CASE("peer_match: a gateway's upstream call is a call of its own", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  constexpr ConnId kGatewayIn{20, 1, 1}, kGatewayOut{20, 2, 1};
  Wire app(assembler, kApp), in(assembler, kGatewayIn), out(assembler, kGatewayOut);
  const std::string request = chat_request("hi"), response = chat_response("id-1", "yo");
  const bool client_here = GENERATE(true, false);
  if (client_here) app(kUp, request, 100 * kMs);
  in(kDown, request, 101 * kMs);
  out(kUp, request, 102 * kMs);
  out(kDown, response, 200 * kMs);
  in(kUp, response, 201 * kMs);
  if (client_here) app(kDown, response, 202 * kMs);
  assembler.advance(1000 * kMs);
  REQUIRE(log.records.size() == 2);  // the upstream call, and the app's or the gateway's own end
  CHECK(log.records[0].conn == kGatewayOut);
  CHECK(log.records[0].observed == ObservedEnd::kClient);
  CHECK(log.records[1].conn == (client_here ? kApp : kGatewayIn));
}

TEST_CASE("peer_match: equal requests in parallel are counted", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  const std::string request = chat_request("same");
  std::vector<Wire> clients, servers;
  for (std::uint64_t i = 0; i < 20; ++i) {
    clients.emplace_back(assembler, ConnId{10, i, 1});
    servers.emplace_back(assembler, ConnId{20, i, 1});
  }
  servers.emplace_back(assembler, ConnId{20, 99, 1});  // its client is on another node
  for (auto& client : clients) client(kUp, request, 100 * kMs);
  for (auto& server : servers) server(kDown, request, 101 * kMs);
  int i = 0;
  for (auto& server : servers) server(kUp, chat_response("s" + std::to_string(++i), "a"), 102 * kMs);
  for (auto& client : clients) client(kDown, chat_response("c" + std::to_string(++i), "a"), 103 * kMs);
  assembler.advance(1000 * kMs);
  CHECK(assembler.merged() == 20);
  CHECK(log.records.size() == 21);
}

TEST_CASE("peer_match: not what came before, not another's", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  Wire app(assembler, kApp), server(assembler, kServer);
  const std::string response = chat_response("", "yo");
  SECTION("another body") {
    app(kUp, chat_request("one"), 100 * kMs);
    server(kDown, chat_request("two"), 101 * kMs);
    server(kUp, response, 200 * kMs);
    app(kDown, response, 201 * kMs);
  }
  SECTION("the server read it before the client sent it") {
    server(kDown, chat_request("one"), 100 * kMs);
    server(kUp, response, 101 * kMs);
    app(kUp, chat_request("one"), 102 * kMs);
    app(kDown, response, 103 * kMs);
  }
  SECTION("long after") {
    app(kUp, chat_request("one"), 100 * kMs);
    app(kDown, response, 101 * kMs);
    server(kDown, chat_request("one"), 101 * kMs + PeerMatch::kRememberNs);
    server(kUp, response, 102 * kMs + PeerMatch::kRememberNs);
  }
  assembler.advance(100 * kTurnNs);
  CHECK(log.records.size() == 2);
  CHECK(assembler.merged() == 0);
}

// The addresses of a connection: from port `local` to port `remote` of one host.
void address(Assembler& assembler, const ConnId& conn, std::uint16_t local, std::uint16_t remote,
             std::uint32_t netns = 1, std::uint8_t host = 127, bool inferred = false) {
  Chunk chunk;
  chunk.conn = conn;
  chunk.kind = ChunkKind::kSocket;
  chunk.end_ns = 99 * kMs;
  for (Endpoint* end : {&chunk.socket.local, &chunk.socket.remote}) {
    end->address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, host, 0, 0, 1};
  }
  chunk.socket.local.port = local;
  chunk.socket.remote.port = remote;
  chunk.socket.netns = netns;
  chunk.socket.inferred = inferred;
  assembler.feed(chunk);
}

TEST_CASE("peer_match: mirrored addresses decide", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  // Two clients and two servers, all with the same request; the answers cross.
  constexpr ConnId kApp2{11, 1, 1}, kServer2{21, 1, 1};
  Wire app(assembler, kApp), app2(assembler, kApp2);
  Wire server(assembler, kServer), server2(assembler, kServer2);
  address(assembler, kApp, 40001, 8000);
  address(assembler, kApp2, 40002, 8000);
  address(assembler, kServer2, 8000, 40002);
  address(assembler, kServer, 8000, 40001);
  const std::string request = chat_request("same");
  app2(kUp, request, 100 * kMs);
  app(kUp, request, 101 * kMs);  // the latest: by digest it would be taken first
  server2(kDown, request, 102 * kMs);
  server(kDown, request, 103 * kMs);
  server(kUp, chat_response("one", "a"), 104 * kMs);
  server2(kUp, chat_response("two", "b"), 105 * kMs);
  app2(kDown, chat_response("two", "b"), 106 * kMs);
  app(kDown, chat_response("one", "a"), 107 * kMs);
  assembler.advance(1000 * kMs);
  REQUIRE(log.records.size() == 2);
  CHECK(assembler.merged() == 2);
  CHECK(log.records[0].conn == kApp2);
  CHECK(log.records[0].server->conn == kServer2);
  CHECK(log.records[0].server->timing.end == 105 * kMs);
  CHECK(to_string(log.records[0].socket->local) == "127.0.0.1:40002");
  CHECK(log.records[1].server->conn == kServer);
}

TEST_CASE("peer_match: inferred addresses that are wrong forbid nothing", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  constexpr ConnId kOther{10, 2, 1};  // of the same process
  Wire app(assembler, kApp), server(assembler, kServer);
  const std::string request = chat_request("hi"), response = chat_response("", "yo");
  bool known = true;
  address(assembler, kServer, 8000, 40001);
  SECTION("another connection names this one's socket, too") {
    address(assembler, kApp, 40001, 8000);
    address(assembler, kOther, 40001, 8000);
    known = false;
  }
  SECTION("only another one does") {
    address(assembler, kOther, 40001, 8000, 1, 127, true);
    known = false;
  }
  SECTION("this one names another's") { address(assembler, kApp, 40002, 8000, 1, 127, true); }
  app(kUp, request, 100 * kMs);
  server(kDown, request, 101 * kMs);
  server(kUp, response, 200 * kMs);
  app(kDown, response, 201 * kMs);
  assembler.advance(1000 * kMs);
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].conn == kApp);
  CHECK(log.records[0].server);
  CHECK(log.records[0].socket.has_value() == known);
}

TEST_CASE("peer_match: addresses suffice, or forbid", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  Wire app(assembler, kApp), server(assembler, kServer);
  const std::string request = chat_request("hi"), response = chat_response("", "yo");
  std::size_t expected = 1;
  bool whole = true;
  SECTION("the request was not seen whole, the answer has no id") {
    whole = false;
    address(assembler, kApp, 40001, 8000);
    address(assembler, kServer, 8000, 40001);
  }
  SECTION("between two namespaces") {
    address(assembler, kApp, 40001, 8000, 1, 10);
    address(assembler, kServer, 8000, 40001, 2, 10);
  }
  SECTION("translated on the way: the client's port stays") {
    address(assembler, kApp, 40001, 80, 1, 10);
    address(assembler, kServer, 8000, 40001, 2, 11);
  }
  SECTION("only one end's are known") { address(assembler, kServer, 8000, 40001); }
  SECTION("loopback of two namespaces: by digest all the same") {
    address(assembler, kApp, 40001, 8000, 1);
    address(assembler, kServer, 8000, 40001, 2);
  }
  SECTION("no port in common") {
    address(assembler, kApp, 40001, 9000);
    address(assembler, kServer, 8000, 40007);
    expected = 2;
  }
  app(kUp, request, 100 * kMs);
  if (whole) {
    server(kDown, request, 101 * kMs);
  } else {
    server(kDown, request.substr(0, request.size() - 20), 101 * kMs, 20);
  }
  server(kUp, response, 200 * kMs);
  app(kDown, response, 201 * kMs);
  assembler.advance(1000 * kMs);
  CHECK(log.records.size() == expected);
  CHECK(bool(log.records[0].server) == (expected == 1));
}

TEST_CASE("peer_match: a client's record waits for its server's end, not for ever", "[unit]") {
  RecordLog log;
  Assembler assembler({}, log);
  Wire app(assembler, kApp), server(assembler, kServer);
  const std::string request = chat_request("hi"), response = chat_response("id-1", "yo");
  app(kUp, request, 100 * kMs);
  server(kDown, request, 101 * kMs);
  app(kDown, response, 201 * kMs);
  CHECK(log.records.empty());
  SECTION("it comes") {
    server(kUp, response, 202 * kMs);
    REQUIRE(log.records.size() == 1);
    CHECK(log.records[0].server->conn == kServer);
  }
  SECTION("it does not come") {
    assembler.advance(201 * kMs + PeerMatch::kGraceNs);
    REQUIRE(log.records.size() == 1);
    CHECK_FALSE(log.records[0].server);
  }
  CHECK(log.records[0].observed == ObservedEnd::kClient);
}

TEST_CASE("peer_match: bounded", "[unit]") {
  RecordLog log;
  PeerMatch peers(log);
  PeerView server;
  server.direction = kDown;
  for (std::size_t i = 0; i < PeerMatch::kMaxHeld + 10; ++i) peers.record(CallRecord{}, server, 1);
  CHECK(peers.held() == PeerMatch::kMaxHeld);
  CHECK(log.records.size() == 10);
  for (std::size_t i = 0; i < PeerMatch::kMaxClients + 10; ++i) {
    PeerView client;
    client.conn = {1, i, 1};
    client.digest = i;
    peers.request(client);
  }
  CHECK(peers.memory() < PeerMatch::kMaxClients * 256 + PeerMatch::kMaxHeld * sizeof(CallRecord) * 2);
}

}  // namespace
}  // namespace llmtap
