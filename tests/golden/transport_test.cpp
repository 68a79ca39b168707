// SPDX-License-Identifier: Apache-2.0
//
// Every recorded interaction, framed as each transport would have carried it and in each content
// coding, gives the record that its bare bodies give.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/golden/corpus.h"

namespace llmtap::testing {
namespace {

// Rest of the numbers: what a coding changes by itself.
Outcome without_coding(Outcome outcome) {
  for (auto& call : outcome.records) {
    call.request_bytes = call.response_bytes = 0;
    for (Headers* headers : {&call.request_headers, &call.response_headers}) {
      *headers = headers->without([](const Header& h) { return h.name == "content-encoding"; });
    }
  }
  return outcome;
}

TEST_CASE("transport: each interaction alone, on HTTP/1 and HTTP/2", "[golden]") {
  std::size_t count = 0;
  for_each_batch([&](const std::vector<Plain>& batch) {
    for (const Plain& plain : batch) {
      ++count;
      const Outcome on_http1 = folded(plain, Protocol::kHttp1);
      bool good = assembled(http1_turns(plain, 0), 0) == on_http1 &&
                  assembled(http1_turns(plain, 0), 16384) == on_http1 &&
                  assembled(http1_turns(plain, 4000), 1400) == on_http1 &&
                  assembled(http2_turns({plain}, 16384), 0) == folded(plain, Protocol::kHttp2);
      if (plain.request_body.size() + plain.response_body.size() < 3000) {
        good = good && assembled(http1_turns(plain, 100), 1) == on_http1;
      }
      INFO(plain.request.method << " " << plain.request.authority << plain.request.path);
      if (!good) CHECK(good);
    }
  });
  CHECK(count > 1900);
}

TEST_CASE("transport: each interaction in gzip, br and zstd", "[golden]") {
  std::mt19937 random(11);
  std::size_t count = 0;
  for_each_batch([&](const std::vector<Plain>& batch) {
    for (const Plain& plain : batch) {
      const Outcome bare = without_coding(folded(plain, Protocol::kHttp1));
      for (const Coding coding : {Coding::kGzip, Coding::kBrotli, Coding::kZstd}) {
        const auto packed = recoded(plain, coding, random() % 2 ? 0 : 200 + random() % 4000);
        if (!packed) continue;
        ++count;
        const Outcome expected = folded(*packed, Protocol::kHttp1);
        const bool good =
            without_coding(expected) == bare &&
            assembled(http1_turns(*packed, 0), 1 + random() % 16384) == expected &&
            assembled(http1_turns(*packed, 1 + random() % 4000), 0) == expected &&
            assembled(http2_turns({*packed}, 1 + random() % 16384), 1 + random() % 16384) ==
                folded(*packed, Protocol::kHttp2);
        INFO(plain.request.method << " " << plain.request.authority << plain.request.path << " "
                                  << static_cast<int>(coding));
        if (!good) CHECK(good);
      }
    }
  });
  CHECK(count > 3 * 1900);
}

TEST_CASE("transport: 20 interactions at once on HTTP/2, whatever their codings", "[golden]") {
  std::mt19937 random(12);
  constexpr Coding kCodings[] = {Coding::kGzip, Coding::kDeflate, Coding::kBrotli, Coding::kZstd};
  for_each_batch([&](const std::vector<Plain>& recorded) {
    for (const bool coded : {false, true}) {
      std::vector<Plain> batch = recorded;
      for (Plain& plain : batch) {
        if (coded) plain = recoded(plain, kCodings[random() % 4], 500).value_or(plain);
      }
      Outcome expected;
      for (const Plain& plain : batch) {
        Outcome one = folded(plain, Protocol::kHttp2);
        for (auto& call : one.records) expected.records.push_back(std::move(call));
        expected.managed += one.managed;
        expected.others += one.others;
      }
      Outcome got = assembled(http2_turns(batch, 1000), 16384);
      // They end in the order of their last frames.
      const bool same =
          got.records.size() == expected.records.size() &&
          std::is_permutation(got.records.begin(), got.records.end(), expected.records.begin());
      INFO(batch.front().request.authority << " " << got.records.size() << " of "
                                           << expected.records.size());
      CHECK(same);
      CHECK(got.managed == expected.managed);
      CHECK(got.others == expected.others);
    }
  });
}

}  // namespace
}  // namespace llmtap::testing
