// SPDX-License-Identifier: Apache-2.0
//
// Runs a body through a decoder in pieces and keeps what comes out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/body/body_decoder.h"

namespace llmtap::testing {

struct Event {
  std::string name;
  std::string data;
  bool exception = false;
  bool after_gap = false;
  std::uint64_t skipped = 0;
  std::string file_name;
  std::string media_type;

  bool operator==(const Event&) const = default;
};

struct Collected final : BodySink {
  void event(const BodyEvent& event) override {
    events.push_back({std::string(event.name), std::string(event.data), event.exception,
                      event.after_gap, event.skipped, std::string(event.file_name),
                      std::string(event.media_type)});
    stamps.push_back(event.ts_ns);
  }
  void loss(LossReason reason, std::uint64_t bytes) override { losses.add(reason, bytes); }

  std::vector<Event> events;
  std::vector<TimeNs> stamps;
  LossLedger losses;
};

inline void feed_pieces(BodyDecoder& decoder, std::string_view bytes, std::size_t piece,
                        BodySink& sink) {
  TimeNs ts_ns = 0;
  while (!bytes.empty()) {
    // A fresh copy per piece: a decoder that keeps a view of an old one is caught by ASan.
    const std::string chunk(bytes.substr(0, piece));
    decoder.feed(chunk, ++ts_ns, sink);
    bytes.remove_prefix(chunk.size());
  }
}

inline Collected decode(std::unique_ptr<BodyDecoder> decoder, std::string_view bytes,
                        std::size_t piece, bool complete = true) {
  Collected out;
  feed_pieces(*decoder, bytes, std::max<std::size_t>(piece, 1), out);
  decoder->finish(1'000'000, complete, out);
  return out;
}

inline Headers typed(std::string_view content_type) {
  if (content_type.empty()) return {};
  return {{"content-type", std::string(content_type)}};
}

// Names and data only, one per line: what most tables compare.
inline std::string text(const Collected& out) {
  std::string all;
  for (const auto& event : out.events) {
    if (event.after_gap) all += "~";
    if (event.exception) all += "!";
    all += event.name + "|" + event.data + "\n";
  }
  return all;
}

}  // namespace llmtap::testing
