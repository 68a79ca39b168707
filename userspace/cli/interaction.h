// SPDX-License-Identifier: Apache-2.0
//
// Recorded HTTP interactions: what `decode` reads, whatever file it comes from.
#pragma once

#include <functional>
#include <string>

#include "parsers/core/exchange.h"
#include "parsers/core/result.h"

namespace llmtap {

// One request and its response. Bodies are behind transfer framing; a content-encoding header
// speaks the truth about them.
struct RecordedInteraction {
  std::string id;
  RequestHead request;
  std::string request_body;
  ResponseHead response;
  std::string response_body;
  std::string defect;  // not empty: the entry could not be read, and why
};

// Called once per entry, in file order.
using InteractionSink = std::function<void(RecordedInteraction&&)>;

// JSON lines as in the corpus of recorded interactions (its README has the format), plain or gzip.
// A line that is no such object is handed over with its defect. An Error: the file cannot be read.
Status read_corpus_file(const std::string& path, const InteractionSink& sink);

// HAR 1.2, as browsers and proxies export it, plain or gzip. Ids are "<file name>#<entry>".
Status read_har_file(const std::string& path, const InteractionSink& sink);

}  // namespace llmtap
