// SPDX-License-Identifier: Apache-2.0
//
// Tokens of calls whose answer says nothing of them (most streams of untouched OpenAI clients,
// streams that were left early): an estimate, marked as such. Numbers off the wire are never
// touched. OpenAI's models are counted with their own vocabularies; for all others the rate
// is learned from calls of the same model, or vendor, that do say their usage.
// What the wire hides is not guessed: reasoning that is not shown, the size of images and audio.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"
#include "userspace/enrich/bpe.h"
#include "userspace/enrich/token_rate.h"

namespace llmtap {

// Not thread-safe. Vocabularies are unpacked when first needed.
class TokenEstimator {
 public:
  static constexpr std::size_t kMaxRates = 2048;  // models beyond it share their vendor's

  // Learns from a call with usage; gives one without usage its estimate.
  void apply(CallRecord& call);

  void learn(const CallRecord& call);
  // As if the call had no usage. Absent: nothing to count, failed, or no text model.
  std::optional<Usage> estimate(const CallRecord& call);

 private:
  const Vocabulary& vocabulary(Encoding encoding);
  double learned(const CallRecord& call, bool input, double units) const;
  void learn_side(const CallRecord& call, bool input, double units, std::uint64_t tokens);

  std::unique_ptr<Vocabulary> cl100k_, o200k_;
  std::map<std::string, TokenRate, std::less<>> rates_;  // by side, tools, vendor, model
};

// The vocabulary of an OpenAI model by its name ("gpt-4o", "ft:gpt-3.5-turbo:...",
// "openai/gpt-4.1"); absent for everybody else's.
std::optional<Encoding> openai_encoding(std::string_view model);

}  // namespace llmtap
