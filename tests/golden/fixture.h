// SPDX-License-Identifier: Apache-2.0
//
// A recorded exchange as readable text: tests/fixtures/<dialect>/<case>/
//   request.http    start line, headers, empty line, body
//   response.http   the same; a body of AWS event stream is written one event a line:
//                     contentBlockDelta {"delta": ...}      an event and its payload
//                     !throttlingException {"message": ...} an exception
//                     chunk= {...}                          payload {"bytes": base64 of the rest}
//                   a body of application/grpc, also of a request, is a message a line, in base64
//   socket.txt      instead of a response: messages of a WebSocket, "> ..." of the client and
//                   "< ..." of the server
//   expected.json   {"records": [...], "management": [operation, ...]}
// With LLMTAP_UPDATE_FIXTURES=1 the test writes expected.json; review it like code.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "parsers/assembly/call_fold.h"

namespace llmtap::testing {

struct Fixture {
  std::filesystem::path folder;
  RequestHead request;
  std::string request_body;
  ResponseHead response;
  std::string response_body;
  std::vector<std::pair<Side, std::string>> messages;  // of a socket
  End end = End::kComplete;  // header "x-fixture-end: cancelled" of the response
};

// All fixtures below `root`, sorted. A broken one throws std::runtime_error.
std::vector<Fixture> load_fixtures(const std::filesystem::path& root);

// What the fold reports, with bodies fed in pieces of `piece` bytes (0: whole).
nlohmann::ordered_json fold_fixture(const Fixture& fixture, std::size_t piece);

}  // namespace llmtap::testing
