// SPDX-License-Identifier: Apache-2.0
//
// Gathers the decoded body of one request: its bytes, the fields of a form, or the first message of a
// gRPC call. Bounded.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/assembly/assembler.h"
#include "parsers/body/body_decoder.h"
#include "parsers/body/content_coding.h"
#include "parsers/providers/provider.h"

namespace llmtap {

class RequestCollector final : private BodySink {
 public:
  // `loss` is told of everything that is cut; it outlives the collector.
  using OnLoss = void (*)(void* owner, LossReason reason, std::uint64_t bytes);
  RequestCollector(const RequestHead& head, const Limits& limits, OnLoss on_loss, void* owner);

  // With `only_objects`, a body that cannot be a JSON object is let go at its first byte. Where the
  // head's path is unknown a gRPC message is kept as well.
  void only_objects() {
    only_objects_ = true;
    if (grpc_ && path_known_) discard();
  }
  void feed(std::string_view bytes, TimeNs ts_ns);
  void gap(std::uint64_t bytes);
  // `complete`: the framing says so.
  void finish(TimeNs ts_ns, bool complete);
  // Keeps nothing from now on.
  void discard();

  // What is there. Views live until the next call of any member; `document` holds the JSON.
  RequestBody body(JsonDocument& document) const;
  std::size_t size() const { return bytes_.size(); }
  // By the head, or by its frame where the head's fields are unknown (late attach on HTTP/2).
  bool grpc() const { return grpc_; }
  std::size_t memory() const;

 private:
  struct Field {
    std::string name, value, file_name, media_type;
    std::uint64_t skipped = 0;
    TimeNs ts_ns = 0;
  };
  void event(const BodyEvent& event) override;
  void loss(LossReason reason, std::uint64_t bytes) override;
  void keep(std::string_view decoded, TimeNs ts_ns);

  BodyLimits limits_;
  OnLoss on_loss_;
  void* owner_;
  ContentCoding coding_;
  std::unique_ptr<BodyDecoder> form_;  // multipart and gRPC
  bool grpc_ = false;
  bool type_known_ = true;
  bool path_known_ = true;
  std::vector<Field> fields_;
  std::size_t field_bytes_ = 0;
  std::string bytes_;
  bool only_objects_ = false;
  bool discard_ = false;
  bool cut_ = false;    // a hole: nothing behind it is kept
  bool whole_ = false;  // finished and nothing is missing
};

}  // namespace llmtap
