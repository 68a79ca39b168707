// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/daemon_report.h"

namespace llmtap {
namespace {

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + ' ' + std::string(count == 1 ? one : many);
}

std::string size_of(std::uint64_t bytes) {
  constexpr std::uint64_t kKilo = 1024;
  if (bytes < kKilo) return std::to_string(bytes) + " B";
  if (bytes < kKilo * kKilo) return std::to_string(bytes / kKilo) + " KB";
  return std::to_string(bytes / (kKilo * kKilo)) + " MB";
}

void append(std::string& list, const std::string& item) {
  if (!list.empty()) list += ", ";
  list += item;
}

// "ring_full 12 (3 MB): ..." for each reason in [from, to) of which there is any.
void add_losses(std::vector<std::string>& lines, const LossLedger& ledger, LossReason from,
                LossReason to, std::string_view stage) {
  for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i) {
    const auto reason = static_cast<LossReason>(i);
    if (ledger.times(reason) == 0) continue;
    std::string line = "lost " + std::string(stage) + ": " + std::string(name(reason)) + ' ' +
                       count_of(ledger.times(reason), "time", "times");
    if (ledger.bytes(reason) > 0) line += ", " + size_of(ledger.bytes(reason));
    line += " (" + std::string(explain(reason)) + ')';
    lines.push_back(std::move(line));
  }
}

// Holds to the byte: see capture_counts.h.
std::string sums_line(const CaptureCounts& capture, const StreamCounts& streams) {
  const auto text = [](std::uint64_t n) { return std::to_string(n); };
  std::string line = "TLS: " + text(capture.calls) + " calls moved " + text(capture.bytes) +
                     " bytes = " + text(streams.parsed) + " parsed + " +
                     text(streams.skipped + streams.repeated) + " not looked at + " +
                     text(capture.bytes_withheld) + " withheld + " + text(capture.bytes_lost()) +
                     " lost";
  if (const auto under_way = capture.bytes_under_way(); under_way != 0)
    line += " + " + std::to_string(under_way) + " on the way";
  return line + "; at most " + size_of(capture.ring_peak) + " waited in the ring";
}

std::string sink_line(const SinkCounts& sink) {
  std::string text;
  if (sink.dropped > 0)
    append(text, count_of(sink.dropped, "call", "calls") + " dropped: queue full");
  if (sink.store && sink.store->failed > 0)
    append(text, count_of(sink.store->failed, "call", "calls") + " not stored");
  if (const auto& delivery = sink.delivery) {
    if (delivery->rejected > 0)
      append(text, std::to_string(delivery->rejected) + " refused by the peer");
    if (delivery->spool.dropped > 0)
      append(text, std::to_string(delivery->spool.dropped) + " dropped: spool full");
    if (delivery->spool.records > 0)
      append(text, std::to_string(delivery->spool.records) + " wait in the spool");
  }
  return text.empty() ? text : sink.name + ": " + text;
}

}  // namespace

std::string_view explain(LossReason reason) {
  switch (reason) {
    case LossReason::kRingFull:
      return "the daemon had no CPU for a while";
    case LossReason::kUserFault:
      return "memory of the process was not there";
    case LossReason::kTooLong:
      return "one read or write was larger than what is copied";
    case LossReason::kStateFull:
      return "too many calls or connections at once";
    case LossReason::kUnmatchedReturn:
      return "attached in the middle of a call";
    case LossReason::kWrongSite:
      return "a probe sits in the wrong place: please report it";
    case LossReason::kNoBuffer:
      return "sendfile, splice or io_uring: there was no buffer to read";
    case LossReason::kGap:
      return "bytes that never came";
    case LossReason::kReorderLimit:
      return "too much came out of order";
    case LossReason::kNotHttp:
      return "connections of protocols that are not decoded";
    case LossReason::kMalformedHttp:
      return "not valid HTTP";
    case LossReason::kHeaderLimit:
      return "headers beyond the limit";
    case LossReason::kUnknownContext:
      return "connections older than the daemon";
    case LossReason::kBodyLimit:
      return "bodies beyond the limit";
    case LossReason::kBadCoding:
      return "broken compression";
    case LossReason::kMalformedBody:
      return "broken event framing";
    case LossReason::kMalformedJson:
      return "broken JSON";
    case LossReason::kContentLimit:
      return "texts were cut";
    case LossReason::kConnectionLimit:
      return "too many open calls";
    case LossReason::kIdle:
      return "calls in which nothing happened for too long";
    case LossReason::kQueueFull:
      return "a destination was too slow";
    case LossReason::kRejected:
      return "the destination refused it";
    case LossReason::kSpoolFull:
      return "the destination was away for too long";
    case LossReason::kStoreFailed:
      return "the disk refused it";
    case LossReason::kCount:
      break;
  }
  return "";
}

std::vector<std::string> report_lines(const DaemonFigures& figures) {
  const auto& pipeline = figures.pipeline;
  std::string calls = count_of(pipeline.calls, "call", "calls");
  if (pipeline.partial > 0) calls += ", " + std::to_string(pipeline.partial) + " of them partial";
  std::vector<std::string> lines{calls};
  lines.push_back(sums_line(figures.capture, pipeline.streams));
  add_losses(lines, figures.capture.lost, LossReason::kRingFull, LossReason::kGap, "in the kernel");
  add_losses(lines, pipeline.losses, LossReason::kGap, LossReason::kQueueFull, "while parsing");
  for (const auto& sink : figures.sinks) {
    if (auto line = sink_line(sink); !line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace llmtap
