// SPDX-License-Identifier: Apache-2.0
//
// AWS event stream, multipart forms, gRPC.
#include <zlib.h>

#include <catch2/catch.hpp>

#include "tests/unit/body/body_support.h"

using namespace llmtap;
using namespace llmtap::testing;

namespace {

std::string be32(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
  return out;
}

std::uint32_t crc(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string header(std::string_view name, std::string_view value) {
  std::string out(1, static_cast<char>(name.size()));
  out.append(name).push_back('\x07');
  out.push_back(static_cast<char>(value.size() >> 8));
  out.push_back(static_cast<char>(value.size() & 0xff));
  return out.append(value);
}

std::string frame(std::string_view headers, std::string_view payload) {
  std::string out = be32(static_cast<std::uint32_t>(16 + headers.size() + payload.size())) +
                    be32(static_cast<std::uint32_t>(headers.size()));
  out += be32(crc(out));
  out.append(headers).append(payload);
  return out + be32(crc(out));
}

std::string aws_event(std::string_view type, std::string_view payload) {
  return frame(header(":event-type", type) + header(":content-type", "application/json") +
                   header(":message-type", "event"),
               payload);
}

std::string aws_exception(std::string_view type, std::string_view payload) {
  return frame(header(":message-type", "exception") + header(":exception-type", type), payload);
}

std::unique_ptr<BodyDecoder> aws(BodyLimits limits = {}) {
  return make_body_decoder(BodyKind::kAwsEventStream, {}, limits);
}

void check_every_split(const std::string& input, const std::string& expected,
                       std::unique_ptr<BodyDecoder> (*make)()) {
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    CAPTURE(piece);
    REQUIRE(text(decode(make(), input, piece)) == expected);
  }
}

}  // namespace

TEST_CASE("aws: events, exceptions, nested JSON, at every split", "[unit]") {
  // {"type":"x"} and "plain text" in base64.
  const std::string input = aws_event("messageStart", "{\"role\":\"assistant\"}") +
                            aws_event("chunk", "{\"bytes\":\"eyJ0eXBlIjoieCJ9\",\"p\":\"abc\"}") +
                            aws_event("chunk", "{\"bytes\":\"cGxhaW4gdGV4dA==\"}") +
                            aws_event("chunk", "{\"bytes\":\"eyJ0eXBlIjoieCJ9\",\"attribution\":{}}") +
                            aws_exception("throttlingException", "{\"message\":\"slow\"}") +
                            aws_event("empty", "");
  const std::string expected =
      "messageStart|{\"role\":\"assistant\"}\n"
      "chunk|{\"type\":\"x\"}\n"
      "chunk|{\"bytes\":\"cGxhaW4gdGV4dA==\"}\n"
      "chunk|{\"bytes\":\"eyJ0eXBlIjoieCJ9\",\"attribution\":{}}\n"
      "!throttlingException|{\"message\":\"slow\"}\n"
      "empty|\n";
  check_every_split(input, expected, [] { return aws(); });
  check_every_split(input, expected, [] { return make_body_decoder(typed("application/json"), {}); });
}

TEST_CASE("aws: header types other than text are stepped over", "[unit]") {
  std::string headers;
  headers += std::string("\x01t\x00", 3) + std::string("\x01" "b\x02X", 4);
  headers += std::string("\x01s\x03XX", 5) + std::string("\x01i\x04XXXX", 7);
  headers += std::string("\x01l\x05XXXXXXXX", 11) + std::string("\x01y\x06\x00\x02XX", 7);
  headers += std::string("\x01" "d\x08XXXXXXXX", 11) + std::string("\x01u\x09XXXXXXXXXXXXXXXX", 19);
  headers += header(":event-type", "e");
  check_every_split(frame(headers, "{}"), "e|{}\n", [] { return aws(); });
}

TEST_CASE("aws: damage costs the damaged message only", "[unit]") {
  const std::string good = aws_event("a", "{\"x\":1}");
  std::string payload_hit = good;
  payload_hit[payload_hit.size() - 6] ^= 1;
  std::string prelude_hit = good;
  prelude_hit[9] ^= 1;
  std::string length_hit = good;
  length_hit[3] ^= 1;
  struct Case {
    const char* name;
    std::string damaged;
  };
  const Case cases[] = {{"payload", payload_hit},
                        {"prelude", prelude_hit},
                        {"length", length_hit},
                        {"junk", "some bytes that are no message"},
                        {"bad header", frame(std::string("\x05" "ab", 3), "{}")}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      const std::string input = good + c.damaged + good;
      check_every_split(input, "a|{\"x\":1}\n~a|{\"x\":1}\n", [] { return aws(); });
    }
  }
}

TEST_CASE("aws: resync behind a gap of any size at any place", "[unit]") {
  const std::string one = aws_event("a", "{\"x\":1}");
  const std::string input = one + one + one + aws_event("b", "{}");
  for (std::size_t at = 0; at < one.size(); ++at) {
    for (std::size_t lost = 1; lost < one.size(); lost += 3) {
      CAPTURE(at, lost);
      auto decoder = aws();
      Collected out;
      feed_pieces(*decoder, std::string_view(input).substr(0, at), 11, out);
      decoder->gap(lost);
      feed_pieces(*decoder, std::string_view(input).substr(at + lost), 11, out);
      decoder->finish(1, true, out);
      const bool two = at + lost <= one.size();
      REQUIRE(text(out) == (two ? "~a|{\"x\":1}\na|{\"x\":1}\nb|{}\n" : "~a|{\"x\":1}\nb|{}\n"));
    }
  }
}

TEST_CASE("aws: a message over its limit is stepped over", "[unit]") {
  const std::string input = aws_event("a", "1") + aws_event("b", std::string(500, 'x')) + aws_event("c", "2");
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    CAPTURE(piece);
    const auto out = decode(aws({.whole = 200, .event = 200}), input, piece);
    REQUIRE(text(out) == "a|1\n~c|2\n");
    REQUIRE(out.losses.times(LossReason::kBodyLimit) == 1);
  }
}

TEST_CASE("multipart: fields and files, at every split", "[unit]") {
  const std::string type = "multipart/form-data; boundary=\"--X y\"";
  const std::string file(3000, '\r');
  const std::string input =
      "preamble\r\n----X y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
      "----X y  \r\ncontent-disposition: form-data; name=\"file\"; filename=\"a;\\\"b.m4a\"\r\n"
      "Content-Type: audio/mp4\r\n\r\n" + file + "\r\n----X\r\n----X y\r\n"
      "Content-Disposition: form-data; name=empty\r\n\r\n\r\n"
      "----X y\r\nContent-Disposition: form-data; name=\"last\"\r\n\r\na\r\nb\r\n----X y--\r\nepilogue";
  const std::vector<Event> expected = {
      {"model", "whisper-1", false, false, 0, "", ""},
      {"file", "", false, false, 3007, "a;\"b.m4a", "audio/mp4"},
      {"empty", "", false, false, 0, "", ""},
      {"last", "a\r\nb", false, false, 0, "", ""}};
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    CAPTURE(piece);
    auto decoder = make_body_decoder(typed(type), {.whole = 10'000, .event = 1000});
    Collected out;
    feed_pieces(*decoder, input, piece, out);
    decoder->finish(1, true, out);
    REQUIRE((out.events == expected));
  }
}

TEST_CASE("multipart: gaps, limits and missing ends", "[unit]") {
  const std::string type = "multipart/form-data; boundary=B";
  const std::string head = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n";
  const std::string field = "\r\n--B\r\nContent-Disposition: form-data; name=\"v\"\r\n\r\n";
  SECTION("a file goes on through a gap") {
    auto decoder = make_body_decoder(typed(type), {});
    Collected out;
    decoder->feed(head + "0123", 1, out);
    decoder->gap(10);
    decoder->feed("45" + field + "1\r\n--B--", 1, out);
    REQUIRE(out.events.size() == 2);
    CHECK(out.events[0].skipped == 16);
    CHECK(out.events[0].after_gap);
    CHECK(out.events[1].data == "1");
  }
  SECTION("a field does not") {
    auto decoder = make_body_decoder(typed(type), {});
    Collected out;
    decoder->feed(head + field + "12", 1, out);
    decoder->gap(10);
    decoder->feed("34" + field + "5\r\n--B--", 1, out);
    REQUIRE(out.events.size() == 2);
    CHECK(out.events[1].data == "5");
    CHECK(out.events[1].after_gap);
  }
  SECTION("a field over its limit") {
    const std::string input = field + std::string(100, 'x') + field + "1\r\n--B--";
    for (std::size_t piece = 1; piece <= input.size(); ++piece) {
      CAPTURE(piece);
      auto decoder = make_body_decoder(typed(type), {.whole = 50, .event = 50});
      Collected out;
      feed_pieces(*decoder, input, piece, out);
      REQUIRE(out.events.size() == 1);
      REQUIRE(out.events[0].data == "1");
      REQUIRE(out.losses.times(LossReason::kBodyLimit) == 1);
    }
  }
  SECTION("a file without its end is counted as far as it came") {
    const auto out = decode(make_body_decoder(typed(type), {}), head + "0123", 3, false);
    REQUIRE(out.events.size() == 1);
    CHECK(out.events[0].skipped == 4);
  }
  SECTION("a head without end is bounded") {
    auto decoder = make_body_decoder(typed(type), {});
    Collected out;
    feed_pieces(*decoder, "--B\r\n" + std::string(100'000, 'h'), 1000, out);
    CHECK(decoder->memory() < 64 * 1024);
    CHECK(out.losses.times(LossReason::kMalformedBody) > 0);
  }
}

TEST_CASE("grpc: messages, compressed or not, at every split", "[unit]") {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(200, '\0');
  std::string plain(100, 'a');
  stream.next_in = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto message = [](char flag, std::string_view body) {
    return flag + be32(static_cast<std::uint32_t>(body.size())) + std::string(body);
  };
  const std::string input = message('\0', "one") + message('\1', packed) + message('\0', "") +
                            message('\1', "broken") + message('\0', "two");
  const Headers headers = {{"content-type", "application/grpc+proto"}, {"grpc-encoding", "gzip"}};
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    CAPTURE(piece);
    const auto out = decode(make_body_decoder(headers, {}), input, piece);
    REQUIRE(text(out) == "|one\n|" + plain + "\n|\n~|two\n");
    REQUIRE(out.losses.times(LossReason::kBadCoding) == 1);
  }
}

TEST_CASE("grpc: a gap inside a message costs that message, any other the rest", "[unit]") {
  const auto message = [](std::string_view body) {
    return std::string(1, '\0') + be32(static_cast<std::uint32_t>(body.size())) + std::string(body);
  };
  const std::string input = message("first") + message("0123456789") + message("last");
  struct Case {
    const char* name;
    std::size_t at, size;  // bytes of `input` that are lost; size 0: an unknown number
    const char* expected;
  };
  const Case cases[] = {
      {"inside", 17, 5, "|first\n~|last\n"},
      {"to its end", 17, 8, "|first\n~|last\n"},
      {"into the next", 17, 9, "|first\n"},
      {"in a prefix", 12, 2, "|first\n"},
      {"between", 10, 3, "|first\n"},
      {"unknown", 17, 0, "|first\n"},
  };
  for (const auto& c : cases) {
    for (std::size_t piece : {1, 4, 100}) {
      CAPTURE(c.name, piece);
      auto decoder = make_body_decoder(BodyKind::kGrpc, {}, {});
      Collected out;
      feed_pieces(*decoder, input.substr(0, c.at), piece, out);
      decoder->gap(c.size);
      feed_pieces(*decoder, input.substr(c.at + c.size), piece, out);
      decoder->finish(1, true, out);
      CHECK(text(out) == c.expected);
    }
  }
}
