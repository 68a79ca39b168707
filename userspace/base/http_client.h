// SPDX-License-Identifier: Apache-2.0
//
// One blocking HTTP request over libcurl, TCP or unix socket. Connections are kept between calls.
// The only file pair that includes <curl/curl.h>.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

// PEM files; empty: the system's authorities, no client certificate.
struct CertificateFiles {
  std::string authorities;
  std::string certificate;
  std::string key;

  bool operator==(const CertificateFiles&) const = default;
};

struct HttpRequest {
  std::string url;                       // http:// or https://
  std::string unix_socket;               // path; empty: TCP
  std::vector<std::string> headers;      // "Name: value"
  std::optional<std::string_view> body;  // present: POST, absent: GET; lives during send()
  std::chrono::milliseconds timeout{5000};
  CertificateFiles tls = {};
};

struct HttpResponse {
  int status = 0;
  std::string body;                        // first kBodyLimit bytes
  std::optional<std::string> retry_after;  // as sent: seconds or an HTTP date

  static constexpr std::size_t kBodyLimit = std::size_t{256} << 10;
};

// Where an HTTP server is, from one of http://host:port, https://host, unix:///path.
struct HttpOrigin {
  std::string base;  // without a trailing slash; "http://localhost" for a unix socket
  std::string unix_socket;
};
Result<HttpOrigin> parse_origin(std::string_view url);

// The host that a request to `url` would go to, as curl reads URLs: lower case, IPv6 in brackets.
Result<std::string> url_host(const std::string& url);

// Not for use by two threads at once, except cancel().
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // An error is a failure to talk (refused, reset, timed out, TLS); any answer is a response. A
  // header with a line break is refused: it would be two.
  Result<HttpResponse> send(const HttpRequest& request);
  // Ends a running send() soon and every later one at once. From any thread.
  void cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
