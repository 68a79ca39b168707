// SPDX-License-Identifier: Apache-2.0
//
// A decoded header block as a request or response head (RFC 9113, 8.3: pseudo fields).
#pragma once

#include <cstddef>
#include <string>

#include "parsers/core/exchange.h"
#include "parsers/wire/hpack.h"

namespace llmtap {

// Collects the fields of one block. What is over the limits is left out and the head is partial.
class Http2Head {
 public:
  static constexpr std::size_t kMaxFields = 256;
  static constexpr std::size_t kMaxBytes = 64 * 1024;

  void add(const HpackField& field);
  void set_partial() { partial_ = true; }

  bool is_request() const { return request_; }    // has :method, :path, :scheme or :authority
  bool is_response() const { return response_; }  // has :status
  bool partial() const { return partial_; }
  bool over_limit() const { return over_limit_; }
  int status() const { return status_; }  // 0: unknown
  // RFC 8441, 4: CONNECT with `:protocol: websocket`.
  bool connects_websocket() const { return method_ == "CONNECT" && protocol_ == "websocket"; }

  RequestHead take_request();
  ResponseHead take_response();

 private:
  void add_pseudo(const HpackField& field);

  std::string method_;
  std::string authority_;
  std::string path_;
  std::string protocol_;
  int status_ = 0;
  Headers headers_;
  std::size_t fields_ = 0;
  std::size_t bytes_ = 0;  // names and values of all fields
  bool request_ = false;
  bool response_ = false;
  bool partial_ = false;
  bool over_limit_ = false;
};

}  // namespace llmtap
