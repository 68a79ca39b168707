// SPDX-License-Identifier: Apache-2.0
//
// A real HTTP server on loopback for tests of exporters: one thread, scripted answers, everything
// that came in is kept.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace llmtap::test {

struct Received {
  std::string method, path, headers, body;
};

struct Reply {
  int status = 202;
  std::string headers = "";  // "Name: value\r\n" lines
  std::string body = "{}";
  std::chrono::milliseconds delay{0};
  bool reset = false;  // no answer: the connection is reset
};

class HttpReceiver {
 public:
  using Script = std::function<Reply(const Received&)>;

  explicit HttpReceiver(Script script = [](const Received&) { return Reply{}; }, int port = 0,
                        bool keep = true);  // false: requests() stays empty
  ~HttpReceiver();

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<Received> requests() const;
  // The next `count` connections are reset when the head of the request is there.
  void cut_bodies(int count) { cuts_ = count; }
  // Waits until `enough(requests())` or the time is over; gives back what it said last.
  bool wait(const std::function<bool(const std::vector<Received>&)>& enough,
            std::chrono::milliseconds timeout = std::chrono::milliseconds{10'000}) const;

 private:
  void run();
  void serve(int fd);

  Script script_;
  const bool keep_;
  std::atomic<int> cuts_{0};
  int listen_fd_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Received> requests_;  // guarded by mutex_
  bool stopping_ = false;           // likewise
  std::thread thread_;
};

}  // namespace llmtap::test
