// SPDX-License-Identifier: Apache-2.0
//
// A small HTTP/1.1 server over libevent: one thread, one event loop. For the daemon's own pages,
// which are short; never faces the network by default. Its peers may be hostile all the same:
// beyond kConnections the oldest connection is closed, so that nobody takes the daemon's file
// descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

// "127.0.0.1:9464", "[::1]:9464", ":9464" (every address).
struct ListenAddress {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};
Result<ListenAddress> parse_listen(std::string_view text);

class HttpServer {
 public:
  static constexpr std::size_t kConnections = 64;

  struct Request {
    std::string method;  // GET or HEAD, all others are refused
    std::string path;    // without the query
    std::string query;
    bool gzip = false;  // the client takes it
  };
  struct Response {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
  };
  // Runs on the server's thread, one request at a time.
  using Handler = std::function<Response(const Request&)>;

  // Errors say which address and why ("127.0.0.1:9464: Address already in use").
  static Result<std::unique_ptr<HttpServer>> start(const ListenAddress& address, Handler handler);
  ~HttpServer();  // waits for the request that is being answered

  std::uint16_t port() const;  // the real one where 0 was asked for

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmtap
