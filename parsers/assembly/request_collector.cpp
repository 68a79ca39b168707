// SPDX-License-Identifier: Apache-2.0
#include "parsers/assembly/request_collector.h"

#include <utility>

namespace llmtap {
namespace {

bool is_type(const Headers& headers, std::string_view type) {
  return find_header(headers, "content-type").value_or(std::string_view{}).starts_with(type);
}

}  // namespace

RequestCollector::RequestCollector(const RequestHead& head, const Limits& limits, OnLoss on_loss,
                                   void* owner)
    : limits_{limits.request_body, limits.event},
      on_loss_(on_loss),
      owner_(owner),
      coding_(head.headers),
      type_known_(!head.partial || find_header(head.headers, "content-type")),
      path_known_(!head.path.empty()) {
  grpc_ = is_type(head.headers, "application/grpc");
  if (grpc_) {
    form_ = make_body_decoder(BodyKind::kGrpc, head.headers, limits_);
  } else if (is_type(head.headers, "multipart/form-data")) {
    form_ = make_body_decoder(BodyKind::kMultipart, head.headers, limits_);
  }
}

void RequestCollector::feed(std::string_view bytes, TimeNs ts_ns) {
  if (discard_ || (cut_ && !form_)) return;
  const bool decoded = coding_.feed(bytes, [&](std::string_view part) { keep(part, ts_ns); });
  if (!decoded && !cut_) {
    loss(LossReason::kBadCoding, bytes.size());
    cut_ = true;
  }
}

void RequestCollector::keep(std::string_view decoded, TimeNs ts_ns) {
  // Nothing else begins like a message of gRPC.
  if (!type_known_ && !form_ && bytes_.empty() && !discard_ && !cut_ && !decoded.empty() &&
      (decoded.front() == '\0' || decoded.front() == '\1')) {
    grpc_ = true;
    form_ = make_body_decoder(BodyKind::kGrpc, {}, limits_);
  }
  if (form_) {
    form_->feed(decoded, ts_ns, *this);
    return;
  }
  if (discard_ || cut_) return;
  if (only_objects_ && bytes_.empty()) {
    const auto first = decoded.find_first_not_of(" \t\r\n");
    decoded.remove_prefix(first == std::string_view::npos ? decoded.size() : first);
    if (decoded.empty()) return;
    if (decoded.front() != '{') {
      discard();
      return;
    }
  }
  if (bytes_.size() + decoded.size() > limits_.whole) {
    loss(LossReason::kBodyLimit, decoded.size());
    cut_ = true;
    return;
  }
  bytes_.append(decoded);
}

void RequestCollector::gap(std::uint64_t bytes) {
  coding_.gap();
  if (form_) form_->gap(bytes);
  cut_ = true;
}

void RequestCollector::finish(TimeNs ts_ns, bool complete) {
  if (form_ && !discard_) form_->finish(ts_ns, complete, *this);
  if (complete && !discard_ && !cut_ && !coding_.ended()) {
    loss(LossReason::kBadCoding, 0);
    cut_ = true;
  }
  whole_ = complete && !cut_;
}

void RequestCollector::discard() {
  discard_ = true;
  std::string().swap(bytes_);
  fields_ = {};
  form_.reset();
  coding_ = ContentCoding{};
}

RequestBody RequestCollector::body(JsonDocument& document) const {
  RequestBody body;
  body.whole = whole_;
  body.bytes = bytes_;
  if (!bytes_.empty()) {
    const bool padded = bytes_.capacity() - bytes_.size() >= JsonDocument::kPadding;
    body.json = padded ? document.parse_padded(bytes_) : document.parse(bytes_);
  }
  body.fields.reserve(fields_.size());
  for (const auto& field : fields_) {
    BodyEvent event;
    event.ts_ns = field.ts_ns;
    event.name = field.name;
    event.data = field.value;
    event.skipped = field.skipped;
    event.file_name = field.file_name;
    event.media_type = field.media_type;
    body.fields.push_back(event);
  }
  return body;
}

std::size_t RequestCollector::memory() const {
  return bytes_.capacity() + field_bytes_ + coding_.memory() + (form_ ? form_->memory() : 0);
}

void RequestCollector::event(const BodyEvent& event) {
  if (grpc_) {  // a call with one request message
    if (bytes_.empty()) bytes_.assign(event.data);
    return;
  }
  field_bytes_ += sizeof(Field) + event.name.size() + event.data.size();
  if (field_bytes_ > limits_.whole) {
    loss(LossReason::kBodyLimit, event.data.size());
    cut_ = true;
    return;
  }
  fields_.push_back({std::string(event.name), std::string(event.data), std::string(event.file_name),
                     std::string(event.media_type), event.skipped, event.ts_ns});
}

void RequestCollector::loss(LossReason reason, std::uint64_t bytes) {
  on_loss_(owner_, reason, bytes);
}

}  // namespace llmtap
