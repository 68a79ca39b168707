// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/corpus.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "parsers/assembly/call_fold.h"
#include "userspace/cli/interaction.h"

namespace llmtap::testing {

Outcome outcome_of(RecordLog& log) {
  // Framing fields are part of HTTP/1 heads only; times, and what is relative to them, depend on
  // the chunks.
  for (auto& call : log.records) {
    call.timing = {};
    call.retry_after_s.reset();
    for (auto& limit : call.rate_limits) limit.reset_s.reset();
    for (Headers* headers : {&call.request_headers, &call.response_headers}) {
      *headers = headers->without([](const Header& header) {
        return header.name == "host" || header.name == "content-length" ||
               header.name == "transfer-encoding";
      });
    }
  }
  return {std::move(log.records), log.managed.size(), log.others.size()};
}

Outcome folded(const Plain& plain, Protocol protocol) {
  const Limits limits;
  const ProviderNames names;
  RecordLog log;
  FoldContext context{limits, names, log, {}};
  Interaction bare;
  bare.request = plain.request;
  bare.request.protocol = protocol;
  bare.request_body = plain.request_body;
  bare.response = plain.response;
  bare.response_body = plain.response_body;
  fold_interaction(context, kConn, bare);
  return outcome_of(log);
}

Outcome assembled(const std::vector<Turn>& turns, std::size_t size) {
  RecordLog log;
  Assembler assembler({}, log);
  for (const auto& owned : to_chunks(turns, size, kConn)) assembler.feed(owned.view());
  return outcome_of(log);
}

void for_each_batch(const std::function<void(const std::vector<Plain>&)>& use) {
  const std::filesystem::path folder = std::filesystem::path(LLMTAP_SHARED) / "corpus";
  INFO("needs the corpus of recorded interactions in " << folder.string());
  REQUIRE(std::filesystem::exists(folder));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(".jsonl.gz") && !file.starts_with("reference_")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(!files.empty());
  std::vector<Plain> batch;
  for (const auto& file : files) {
    const auto read = read_corpus_file(file.string(), [&](RecordedInteraction&& recorded) {
      Plain plain{std::move(recorded.request), std::move(recorded.request_body),
                  std::move(recorded.response), std::move(recorded.response_body)};
      if (!recorded.defect.empty() || !make_transportable(plain)) return;
      batch.push_back(std::move(plain));
      if (batch.size() == 20) {
        use(batch);
        batch.clear();
      }
    });
    REQUIRE(read.ok());
  }
  use(batch);
}

}  // namespace llmtap::testing
