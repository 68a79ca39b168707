// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/line_writer.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <iterator>

#include "tests/support/scratch_directory.h"
#include "userspace/base/terminal.h"
#include "userspace/sinks/terminal_table.h"

using namespace llmtap;
using llmtap::test::ScratchDirectory;

namespace {

// The file cannot grow beyond `bytes` while this lives, as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    longest = std::max(longest, display_width(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return longest;
}

}  // namespace

TEST_CASE("lines: half a line on a full disk costs no other", "[unit]") {
  ScratchDirectory scratch;
  const auto path = scratch.path("lines");
  auto writer = open_line_writer("lines", path, [](const CallRecord& call) { return call.id; });
  REQUIRE(writer.ok());
  const auto write = [&](const char* id) {
    auto call = std::make_shared<CallRecord>();
    call->id = id;
    const std::vector<SharedCall> calls(1, call);
    (*writer)->write(calls);
  };
  {
    const SmallDisk disk(15);
    write("first");
    write("second, cut");
    write("third, lost");
  }
  write("fourth");
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  CHECK(text == "first\nsecond, c\nfourth\n");
}

TEST_CASE("terminal: a table fits its terminal", "[unit]") {
  CallSummary call;
  call.service = "a service with quite a long name";
  call.provider = "azure_openai";
  call.model = "gpt-4o-2024-08-06-some-deployment-of-somebody";
  call.input_tokens = 123'456;
  call.output_tokens = 999'999;
  call.cost_usd = 0.000339;
  call.ttft_ns = 2'310'000'000;
  call.duration_ns = 64'000'000'000;
  call.finish_reason = "tool_calls";
  for (const bool date : {false, true}) {
    for (const std::size_t columns : {60U, 80U, 100U, 120U, 200U}) {
      CAPTURE(date, columns);
      const TableStyle style{.date = date, .utc = true, .columns = columns};
      const auto header = table_header(style);
      const auto line = table_line(call, style);
      CHECK(longest_line(header + '\n' + line) <= columns);
      CHECK(header.find("STATUS") != std::string::npos);
      CHECK((header.find("OUT") != std::string::npos) == (columns >= 80));
      CHECK(display_width(header.substr(0, header.find("STATUS"))) ==
            display_width(line.substr(0, line.find("tool_calls"))));
      CHECK((header.find("COST") != std::string::npos) == (columns > (date ? 100 : 80)));
    }
  }
}

TEST_CASE("terminal: cells", "[unit]") {
  struct Case {
    const char* name;
    std::string text;
    std::size_t width;
    std::string expected;
  };
  const Case cases[] = {
      {"padded", "ab", 4, "ab  "},
      {"exact", "abcd", 4, "abcd"},
      {"cut", "abcde", 4, "abc…"},
      {"accents", "naïve", 5, "naïve"},
      {"combining", "e\u0301x", 2, "e\u0301x"},
      {"wide", "日本語", 6, "日本語"},
      {"wide, cut at half a character", "日本語", 5, "日本…"},
      {"wide, cut", "日本語", 4, "日… "},
      {"emoji", "🙂!", 4, "🙂! "},
      {"escape", "a\x1b[2Jb", 6, "a?[2Jb"},
      {"C1 as UTF-8",
       "a\xc2\x9b"
       "b",
       3, "a?b"},
      {"C1 as a byte",
       "a\x9b"
       "b",
       3, "a?b"},
      {"cut sequence", "a\xe6\x97", 3, "a??"},
      {"right to left override", "a\u202eb", 3, "a?b"},
      {"no width", "a\u200bb", 3, "a?b"},
      {"line separator", "a\u2028b", 3, "a?b"},
      {"nothing", "", 2, "  "},
      {"no room", "abc", 0, ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      CHECK(fit_cells(c.text, c.width) == c.expected);
      CHECK(display_width(fit_cells(c.text, c.width)) == c.width);
    }
  }
  CHECK(fit_cells("7", 3, true) == "  7");
}
