// SPDX-License-Identifier: Apache-2.0
//
// Sends encoded records to one HTTP destination: batches from a spool, one worker thread, retries
// until the destination takes or refuses them. Nothing here knows what the records mean.
//
// What an answer means is the destination's protocol to say:
//
//   outcome         default_outcome            otlp_outcome           what happens
//   taken           2xx                        2xx                    done; what the peer says it
//                                                                     left out of it is counted
//   too large       413, 400, 422, other 4xx   413                    halved and sent again; one
//                                                                     record alone is dropped
//   refused         -                          400, 404, 500, ...     dropped and counted
//   refused key     401, 403                   401, 403               said once, kept; tried again
//                                                                     every kRefusedPause
//   later           404, 405, 408, 429, 5xx    429, 502, 503, 504     kept; backs off with jitter,
//                                                                     at least for Retry-After
//   no answer       -                          -                      likewise, after asking for
//                                                                     the endpoint anew
//
// Bodies are compressed if asked for, until the peer answers one with 415.
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
#include "userspace/sinks/counts.h"
#include "userspace/sinks/spool.h"

namespace llmtap {

struct HttpEndpoint {
  std::string url;
  std::string unix_socket;
  std::vector<std::string> headers;
  CertificateFiles tls = {};
};

enum class Outcome : std::uint8_t {
  kTaken,
  kTooLarge,  // or malformed: smaller pieces may pass
  kRefused,   // for good
  kRefusedKey,
  kLater,
  kNoAnswer,
};

Outcome default_outcome(int status);
// OTLP 1.11, "OTLP/HTTP Response". A refused key is kept where the specification would drop: what
// a wrong setting costs must not be the data.
Outcome otlp_outcome(int status);

// What a peer that took a batch says it left out of it.
struct PartialSuccess {
  std::uint64_t rejected = 0;
  std::string message;
};

struct DeliveryOptions {
  std::string name;  // for messages
  // Finds the endpoint; asked before the first batch and after failures to talk. Runs on the worker
  // thread and may use the client.
  std::function<Result<HttpEndpoint>(HttpClient&)> resolve;
  // A batch is head + records joined by separator + tail.
  std::string head = "[", separator = ",", tail = "]";
  bool gzip = false;
  Outcome (*outcome)(int status) = default_outcome;
  PartialSuccess (*read_answer)(const std::string& body) = nullptr;  // of a 2xx; may be absent
  std::size_t batch_records = 500;
  std::size_t batch_bytes = 5'000'000;
  std::chrono::milliseconds linger{150};  // waits that long for a batch to fill
  std::chrono::milliseconds timeout{5000};
  std::chrono::milliseconds first_backoff{500};  // doubles up to most_backoff
  std::chrono::milliseconds most_backoff{60'000};

  static constexpr std::chrono::minutes kRefusedPause{5};
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
