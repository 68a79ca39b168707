// SPDX-License-Identifier: Apache-2.0
//
// Newline-delimited JSON: one value per line, LF or CRLF, blank lines ignored.
// Resync: the line that a gap cut is dropped.
#include <cstring>
#include <string>

#include "parsers/body/decoders.h"

namespace llmtap {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trim(std::string_view line) {
  const auto first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

class NdjsonDecoder final : public BodyDecoder {
 public:
  explicit NdjsonDecoder(const BodyLimits& limits) : limit_(limits.event) {}

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      add(bytes.substr(0, end), end != std::string_view::npos, ts_ns, sink);
      if (end == std::string_view::npos) return;
      bytes.remove_prefix(end + 1);
    }
  }

  void gap(std::uint64_t) override {
    clear_buffer(line_);
    skipping_ = true;
    gap_.set();
  }

  void finish(TimeNs ts_ns, bool complete, BodySink& sink) override {
    if (!skipping_ && (complete || trim(line_).ends_with('}'))) emit(line_, ts_ns, sink);
    clear_buffer(line_);
  }

  std::size_t memory() const override { return sizeof *this + line_.capacity(); }
  bool streamed() const override { return true; }

 private:
  void add(std::string_view part, bool ends, TimeNs ts_ns, BodySink& sink) {
    if (skipping_) {
      sink.loss(LossReason::kMalformedBody, part.size());
      skipping_ = !ends;
      return;
    }
    if (line_.size() + part.size() > limit_) {
      sink.loss(LossReason::kBodyLimit, line_.size() + part.size());
      clear_buffer(line_);
      gap_.set();
      skipping_ = !ends;
      return;
    }
    if (!ends) {
      line_.append(part);
    } else if (line_.empty()) {
      emit(part, ts_ns, sink);
    } else {
      line_.append(part);
      emit(line_, ts_ns, sink);
      clear_buffer(line_);
    }
  }

  void emit(std::string_view line, TimeNs ts_ns, BodySink& sink) {
    line = trim(line);
    if (!line.empty()) gap_.emit(line, ts_ns, sink);
  }

  std::size_t limit_;
  std::string line_;
  bool skipping_ = false;  // until the next newline
  GapMark gap_;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_ndjson(const BodyLimits& limits) {
  return std::make_unique<NdjsonDecoder>(limits);
}

}  // namespace llmtap
