// SPDX-License-Identifier: Apache-2.0
//
// Sends encoded records to one HTTP destination: batches from a spool, one worker thread, retries
// until the destination takes or refuses them. Nothing here knows what the records mean.
//
//   answer                      what happens
//   2xx                         the batch is done
//   413, 400, 422, other 4xx    halved and sent again; a single record that is refused is dropped
//   401, 403                    said once, kept; tried again every kRefusedPause
//   404, 405, 408, 429, 5xx     kept; backs off with jitter, or as long as Retry-After says
//   no answer                   likewise, after asking for the endpoint anew
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parsers/core/result.h"
#include "userspace/base/http_client.h"
#include "userspace/sinks/spool.h"

namespace llmtap {

struct Endpoint {
  std::string url;
  std::string unix_socket;
  std::vector<std::string> headers;
};

struct DeliveryOptions {
  std::string name;  // for messages
  // Finds the endpoint; asked before the first batch and after failures to talk. Runs on the worker
  // thread and may use the client.
  std::function<Result<Endpoint>(HttpClient&)> resolve;
  // A batch is head + records joined by separator + tail.
  std::string head = "[", separator = ",", tail = "]";
  std::size_t batch_records = 500;
  std::size_t batch_bytes = 5'000'000;
  std::chrono::milliseconds linger{150};  // waits that long for a batch to fill
  std::chrono::milliseconds timeout{5000};
  std::chrono::milliseconds first_backoff{500};  // doubles up to most_backoff
  std::chrono::milliseconds most_backoff{60'000};

  static constexpr std::chrono::minutes kRefusedPause{5};
};

struct DeliveryCounts {
  std::uint64_t delivered = 0;  // records
  std::uint64_t rejected = 0;   // refused for good, dropped
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  Spool::Counts spool;
};

class Delivery {
 public:
  Delivery(DeliveryOptions options, std::unique_ptr<Spool> spool);
  ~Delivery();  // does not wait for the destination; what is spooled stays

  void send(std::string record);
  // Waits until everything is taken, at most `deadline`. Cuts a running back-off short once.
  void flush(std::chrono::milliseconds deadline);
  DeliveryCounts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "120" or an HTTP date → how long to wait from `now` (Unix seconds); nothing if unreadable.
std::optional<std::chrono::seconds> parse_retry_after(const std::string& value, std::int64_t now);

}  // namespace llmtap
