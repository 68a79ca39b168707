// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/fixture.h"

#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/record_log.h"
#include "userspace/sinks/record_json.h"

namespace llmtap::testing {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Text {
  std::string start;
  Headers headers;
  std::string body;
};

Text parse_http(const fs::path& path) {
  const std::string all = read_file(path);
  Text text;
  std::size_t at = 0;
  bool first = true;
  while (at < all.size()) {
    const auto end = std::min(all.find('\n', at), all.size());
    const std::string line = all.substr(at, end - at);
    at = end + 1;
    if (line.empty()) break;
    const auto colon = line.find(':');
    if (first) {
      text.start = line;
    } else if (colon == std::string::npos || colon + 2 > line.size()) {
      throw std::runtime_error("bad header in " + path.string() + ": " + line);
    } else {
      text.headers.add(line.substr(0, colon), line.substr(colon + 2));
    }
    first = false;
  }
  if (at < all.size()) text.body = all.substr(at);
  if (text.body.ends_with('\n') && !text.body.ends_with("\n\n")) text.body.pop_back();
  return text;
}

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t have = std::min<std::size_t>(3, text.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < have ? static_cast<unsigned char>(text[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= have ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

void put(std::string& out, std::uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

std::uint32_t crc(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

void put_header(std::string& out, const std::string& name, const std::string& value) {
  put(out, static_cast<std::uint32_t>(name.size()), 1);
  out += name;
  put(out, 7, 1);  // a string
  put(out, static_cast<std::uint32_t>(value.size()), 2);
  out += value;
}

// One line of the notation as a frame of vnd.amazon.eventstream.
std::string aws_frame(std::string line) {
  const bool exception = line.starts_with('!');
  if (exception) line.erase(0, 1);
  const auto space = line.find(' ');
  std::string name = line.substr(0, space);
  std::string payload = space == std::string::npos ? "" : line.substr(space + 1);
  if (name.ends_with('=')) {
    name.pop_back();
    payload = "{\"bytes\":\"" + base64(payload) + "\"}";
  }
  std::string headers;
  put_header(headers, ":message-type", exception ? "exception" : "event");
  put_header(headers, exception ? ":exception-type" : ":event-type", name);
  put_header(headers, ":content-type", "application/json");
  std::string frame;
  put(frame, static_cast<std::uint32_t>(16 + headers.size() + payload.size()), 4);
  put(frame, static_cast<std::uint32_t>(headers.size()), 4);
  put(frame, crc(frame), 4);
  frame += headers + payload;
  put(frame, crc(frame), 4);
  return frame;
}

std::string aws_stream(const std::string& body) {
  std::istringstream lines(body);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) out += aws_frame(line);
  }
  return out;
}

std::string unbase64(const std::string& text) {
  const std::string alphabet = kBase64;
  std::string out;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string::npos) continue;  // padding
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> bits & 0xff);
  }
  return out;
}

std::string grpc_messages(const std::string& body) {
  std::istringstream lines(body);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const std::string message = unbase64(line);
    put(out, 0, 1);  // not compressed
    put(out, static_cast<std::uint32_t>(message.size()), 4);
    out += message;
  }
  return out;
}

// The bytes of a body that is written in a notation.
std::string body_of(const Text& text) {
  const auto type = find_header(text.headers, "content-type").value_or("");
  if (type == "application/vnd.amazon.eventstream") return aws_stream(text.body);
  if (type == "application/grpc") return grpc_messages(text.body);
  return text.body;
}

void read_request(const fs::path& path, Fixture& fixture) {
  Text text = parse_http(path);
  std::istringstream start(text.start);
  start >> fixture.request.method >> fixture.request.path;
  fixture.request_body = body_of(text);
  fixture.request.headers = std::move(text.headers);
  fixture.request.authority = find_header(fixture.request.headers, "host").value_or("");
}

void read_response(const fs::path& path, Fixture& fixture) {
  Text text = parse_http(path);
  std::istringstream start(text.start);
  std::string version;
  start >> version >> fixture.response.status;
  fixture.response_body = body_of(text);
  fixture.response.headers = std::move(text.headers);
  const auto end = find_header(fixture.response.headers, "x-fixture-end").value_or("complete");
  for (const End one : {End::kCancelled, End::kTruncated, End::kGap, End::kEvicted}) {
    if (end == name(one)) fixture.end = one;
  }
}

void read_socket(const fs::path& path, Fixture& fixture) {
  fixture.response.status = 101;
  fixture.request.headers.add("upgrade", "websocket");
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("> ")) fixture.messages.emplace_back(Side::kRequest, line.substr(2));
    if (line.starts_with("< ")) fixture.messages.emplace_back(Side::kResponse, line.substr(2));
  }
}

void fold_socket(const Fixture& fixture, FoldContext& context) {
  CallFold fold(context, {});
  TimeNs now = 1'000'000'000;
  fold.request(RequestHead(fixture.request), Direction::kWrite, {now, now});
  fold.finish(Side::kRequest, {now, now});
  fold.response(ResponseHead(fixture.response), {now, now});
  for (const auto& [side, payload] : fixture.messages) {
    now += 1'000'000;
    fold.message(side, payload, true, {now, now});
  }
  fold.end(fixture.end, {now, now});
}

}  // namespace

std::vector<Fixture> load_fixtures(const fs::path& root) {
  std::vector<Fixture> fixtures;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() != "request.http") continue;
    Fixture fixture;
    fixture.folder = entry.path().parent_path();
    read_request(entry.path(), fixture);
    if (fs::exists(fixture.folder / "socket.txt")) {
      read_socket(fixture.folder / "socket.txt", fixture);
    } else {
      read_response(fixture.folder / "response.http", fixture);
    }
    fixtures.push_back(std::move(fixture));
  }
  std::sort(fixtures.begin(), fixtures.end(),
            [](const Fixture& a, const Fixture& b) { return a.folder < b.folder; });
  return fixtures;
}

nlohmann::ordered_json fold_fixture(const Fixture& fixture, std::size_t piece) {
  const Limits limits;
  const ProviderNames names;
  RecordLog log;
  FoldContext context{limits, names, log, {}};
  if (fixture.messages.empty()) {
    Interaction whole;
    whole.request = fixture.request;
    whole.request_body = fixture.request_body;
    whole.response = fixture.response;
    whole.response_body = fixture.response_body;
    whole.end = fixture.end;
    whole.piece = piece;
    fold_interaction(context, {}, whole);
  } else {
    fold_socket(fixture, context);
  }
  nlohmann::ordered_json out = {{"records", nlohmann::ordered_json::array()},
                                {"management", nlohmann::ordered_json::array()}};
  for (const auto& call : log.records) {
    auto shown = record_json(call);
    for (const auto* key : {"timing", "request_bytes", "response_bytes"}) shown.erase(key);
    out["records"].push_back(std::move(shown));
  }
  for (const auto& call : log.managed) out["management"].push_back(name(call.operation));
  return out;
}

}  // namespace llmtap::testing
