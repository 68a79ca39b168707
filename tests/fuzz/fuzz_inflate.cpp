// SPDX-License-Identifier: Apache-2.0
//
// Whatever the bytes: no more output than the limit, and the same output however they are cut. At
// damage a coding may have given more or less of what comes before it, so there one output has to
// begin with the other.
#include "parsers/core/inflate.h"
#include "tests/fuzz/split.h"

using namespace llmtap;

namespace {

constexpr std::uint64_t kMaxOutput = 1 << 18;

struct Inflated {
  std::string text;
  InflateStatus status = InflateStatus::kMore;
};

Inflated inflate(Coding coding, std::string_view bytes, std::uint8_t seed) {
  InflateLimits limits;
  limits.max_output = kMaxOutput;
  const auto inflater = make_inflater(coding, limits);
  Inflated out;
  fuzz::cut(bytes, seed, [&](std::string_view piece) {
    out.status = inflater->feed(piece, [&](std::string_view part) { out.text.append(part); });
  });
  if (out.text.size() > kMaxOutput) fuzz::fail("more than the limit");
  return out;
}

void compare(const Inflated& a, const Inflated& b) {
  if (a.status == InflateStatus::kBomb || b.status == InflateStatus::kBomb) return;
  if (a.status != b.status) fuzz::fail("status differs");
  if (a.status == InflateStatus::kCorrupt) {
    const auto common = std::min(a.text.size(), b.text.size());
    if (a.text.compare(0, common, b.text, 0, common) != 0) fuzz::fail("output differs");
  } else if (a.text != b.text) {
    fuzz::fail("output differs");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto coding = static_cast<Coding>(input.byte() % 5);
  const std::uint8_t seed = input.byte();
  const Inflated whole = inflate(coding, input.rest(), 0);
  compare(whole, inflate(coding, input.rest(), 1));
  if (seed > 1) compare(whole, inflate(coding, input.rest(), seed));
  return 0;
}
