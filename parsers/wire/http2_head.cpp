// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http2_head.h"

#include <algorithm>
#include <utility>

namespace llmtap {
namespace {

// 8.3.2: three digits. Anything else is unknown.
int read_status(std::string_view value) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (value.size() != 3 || !std::all_of(value.begin(), value.end(), digit)) return 0;
  return (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
}

}  // namespace

void Http2Head::add(const HpackField& field) {
  if (!field.name_known || !field.value_known) partial_ = true;
  if (!field.name_known) return;  // a value without a name says nothing
  bytes_ += field.name.size() + field.value.size();
  if (bytes_ > kMaxBytes || fields_ == kMaxFields) {
    over_limit_ = partial_ = true;
    return;
  }
  if (field.name.starts_with(':')) return add_pseudo(field);
  if (!field.value_known) return;
  headers_.add(field.name, field.value);
  ++fields_;
}

void Http2Head::add_pseudo(const HpackField& field) {
  if (field.name == ":status") {
    response_ = true;
    status_ = read_status(field.value);
    return;
  }
  if (field.name == ":scheme") {
    request_ = true;
    return;
  }
  std::string* target = field.name == ":method"      ? &method_
                        : field.name == ":authority" ? &authority_
                        : field.name == ":path"      ? &path_
                        : field.name == ":protocol"  ? &protocol_
                                                     : nullptr;
  if (target == nullptr) return;
  request_ = true;
  *target = field.value;
}

RequestHead Http2Head::take_request() {
  RequestHead head;
  head.protocol = connects_websocket() ? Protocol::kWebSocket : Protocol::kHttp2;
  head.method = std::move(method_);
  head.authority = std::move(authority_);
  head.path = std::move(path_);
  head.headers = std::move(headers_);
  head.partial = partial_;
  if (head.authority.empty()) {  // 8.3.1: a request translated from HTTP/1 may carry Host instead
    if (const auto host = find_header(head.headers, "host")) head.authority = *host;
  }
  return head;
}

ResponseHead Http2Head::take_response() { return {status_, std::move(headers_), partial_}; }

}  // namespace llmtap
