// SPDX-License-Identifier: Apache-2.0
#include "parsers/body/content_coding.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/encode.h"

using namespace llmtap;

namespace {

std::string coded(const std::string& coding, std::string_view text) {
  return testing::encode(text, coding == "gzip"   ? Coding::kGzip
                               : coding == "zlib" ? Coding::kDeflate
                               : coding == "raw"  ? Coding::kRawDeflate
                               : coding == "br"   ? Coding::kBrotli
                                                  : Coding::kZstd);
}

std::string sample() {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "data: {\"i\": " + std::to_string(i * 7919) + "}\n\n";
  return text;
}

struct Decoded {
  std::string text;
  bool ok = true;
  bool ended = false;
};

Decoded decode(const Headers& headers, std::string_view bytes, std::size_t piece,
               const InflateLimits& limits = {}) {
  ContentCoding coding(headers, limits);
  Decoded out;
  while (!bytes.empty()) {
    const std::string chunk(bytes.substr(0, piece));
    out.ok = coding.feed(chunk, [&](std::string_view part) { out.text.append(part); }) && out.ok;
    bytes.remove_prefix(chunk.size());
  }
  out.ended = coding.ended();
  return out;
}

Headers encoding(const char* value) { return {{"content-encoding", value}}; }

}  // namespace

TEST_CASE("content coding: every coding, every stack, many splits", "[unit]") {
  const std::string plain = sample();
  struct Case {
    const char* name;
    Headers headers;
    std::string bytes;
  };
  const std::string gzip = coded("gzip", plain);
  const Case cases[] = {
      {"none", {}, plain},
      {"identity", encoding("identity"), plain},
      {"gzip", encoding("gzip"), gzip},
      {"x-gzip, upper case", encoding("X-GZIP"), gzip},
      {"gzip members", encoding("gzip"),
       coded("gzip", plain.substr(0, 777)) + coded("gzip", plain.substr(777))},
      {"gzip, junk behind", encoding("gzip"), gzip + std::string(5, '\0')},
      {"deflate zlib", encoding("deflate"), coded("zlib", plain)},
      {"deflate raw", encoding("deflate"), coded("raw", plain)},
      {"br", encoding("br"), coded("br", plain)},
      {"zstd", encoding("zstd"), coded("zstd", plain)},
      {"zstd frames", encoding("zstd"),
       coded("zstd", plain.substr(0, 99)) + coded("zstd", plain.substr(99))},
      {"stacked in one header", encoding("gzip, br"), coded("br", gzip)},
      {"stacked in two", {{"content-encoding", "zstd"}, {"content-encoding", "deflate"}},
       coded("zlib", coded("zstd", plain))},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (std::size_t piece = 1; piece <= c.bytes.size(); piece = piece < 64 ? piece + 1 : piece * 2) {
        CAPTURE(piece);
        const Decoded out = decode(c.headers, c.bytes, piece);
        REQUIRE(out.ok);
        REQUIRE(out.ended);
        REQUIRE((out.text == plain));
      }
      CHECK((decode(c.headers, c.bytes, c.bytes.size()).text == plain));
    }
  }
}

TEST_CASE("content coding: no more stages than the limit", "[unit]") {
  std::string list = "gzip", bytes = coded("gzip", "text");
  for (std::size_t stages = 1; stages <= ContentCoding::kMaxStages + 1; ++stages) {
    CAPTURE(stages);
    const Decoded out = decode(encoding(list.c_str()), bytes, bytes.size());
    CHECK(out.ok == (stages <= ContentCoding::kMaxStages));
    CHECK(out.text == (out.ok ? "text" : ""));
    list += ", gzip";
    bytes = coded("gzip", bytes);
  }
}

TEST_CASE("content coding: damage is an error, not a crash", "[unit]") {
  const std::string plain = sample();
  struct Case {
    const char* name;
    const char* encoding;
    std::string bytes;
  };
  const Case cases[] = {{"unknown coding", "compress", plain},
                        {"text under gzip", "gzip", plain},
                        {"text under zstd", "zstd", plain},
                        {"damaged gzip", "gzip", coded("gzip", plain).replace(200, 9, "XXXXXXXXX")},
                        {"five layers", "br, br, br, br, br", plain}};
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      for (const std::size_t piece : {1, 7, 100'000}) {
        CHECK_FALSE(decode(encoding(c.encoding), c.bytes, piece).ok);
      }
    }
  }
  // Cut: all is well so far, but it has not ended.
  for (const char* name : {"gzip", "br", "zstd"}) {
    const std::string bytes = coded(name, plain);
    const Decoded out = decode(encoding(name), std::string_view(bytes).substr(0, bytes.size() / 2), 9);
    CHECK(out.ok);
    CHECK_FALSE(out.ended);
  }
}

TEST_CASE("content coding: nothing can be read behind a gap", "[unit]") {
  ContentCoding gzip(encoding("gzip"));
  gzip.gap();
  CHECK(gzip.broken());
  ContentCoding none;
  none.gap();
  CHECK_FALSE(none.broken());
}

TEST_CASE("inflate: bombs are stopped by ratio and by size", "[unit]") {
  const std::string zeros(std::size_t{32} << 20, '\0');
  for (const char* name : {"gzip", "zlib", "raw", "br", "zstd"}) {
    DYNAMIC_SECTION(name) {
      const std::string bomb = coded(name, zeros);
      const char* header = name == std::string("zlib") || name == std::string("raw") ? "deflate" : name;
      const Decoded by_ratio = decode(encoding(header), bomb, bomb.size());
      CHECK_FALSE(by_ratio.ok);
      CHECK(by_ratio.text.size() <= InflateLimits{}.free_output + (std::size_t{256} * bomb.size()) + 16384);
      InflateLimits small;
      small.max_output = 100'000;
      const Decoded by_size = decode(encoding(header), bomb, 100, small);
      CHECK_FALSE(by_size.ok);
      CHECK(by_size.text.size() <= 100'000);
    }
  }
}

TEST_CASE("inflate: WebSocket messages with and without context takeover", "[unit]") {
  // RFC 7692 7.2.1: a message ends with a sync flush whose last four bytes are taken off.
  const std::string_view tail("\x00\x00\xff\xff", 4);
  const std::string message = "{\"type\":\"response.create\",\"text\":\"hello hello\"}";
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  const auto inflater = make_inflater(Coding::kRawDeflate);
  for (int i = 0; i < 5; ++i) {
    std::string packed(1024, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
    stream.avail_in = static_cast<uInt>(message.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_SYNC_FLUSH);
    packed.resize(packed.size() - stream.avail_out);
    REQUIRE(packed.ends_with(tail));
    packed.resize(packed.size() - 4);
    if (i == 1) CHECK(packed.size() < 20);  // the window is used
    std::string out;
    const auto append = [&](std::string_view part) { out.append(part); };
    for (const char c : packed) REQUIRE(inflater->feed({&c, 1}, append) == InflateStatus::kMore);
    REQUIRE(inflater->feed(tail, append) == InflateStatus::kMore);
    CHECK(out == message);
    if (i == 3) {
      deflateReset(&stream);
      inflater->reset();
    }
  }
  deflateEnd(&stream);
}

TEST_CASE("content coding: a zstd window beyond RFC 9659's 8 MiB is refused", "[unit]") {
  // Magic, no size, window of 2^(10 + exponent) bytes; one raw block, the last: "a".
  const auto frame = [](int exponent) {
    return "\x28\xb5\x2f\xfd" + std::string(1, '\0') + static_cast<char>(exponent << 3) +
           std::string("\x09\x00\x00", 3) + "a";
  };
  const Decoded allowed = decode(encoding("zstd"), frame(13), 100);
  CHECK(allowed.ok);
  CHECK(allowed.text == "a");
  CHECK_FALSE(decode(encoding("zstd"), frame(14), 100).ok);
}
