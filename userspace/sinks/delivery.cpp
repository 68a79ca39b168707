// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/delivery.h"

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "userspace/base/gzip.h"
#include "userspace/base/log.h"

namespace llmtap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kUnsupportedMediaType = 415;

std::string describe(const HttpResponse& response) {
  return "HTTP " + std::to_string(response.status);
}

}  // namespace

struct Delivery::State {
  explicit State(DeliveryOptions o, std::unique_ptr<Spool> s)
      : options(std::move(o)),
        spool(std::move(s)),
        idle(spool->counts().records == 0),
        batch_limit(options.batch_records),
        compress(options.gzip) {}

  const DeliveryOptions options;
  const std::unique_ptr<Spool> spool;
  HttpClient client;

  mutable std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;  // guarded by mutex, as all below
  bool hurry = false;     // a flush is waiting: no lingering, one back-off cut short
  DeliveryCounts counts;
  bool idle;  // nothing waits, from an earlier process either, and nothing is on its way

  // The worker's own.
  std::optional<HttpEndpoint> endpoint;
  std::size_t batch_limit;
  bool compress;
  PartialSuccess left_out;  // of the batch that was taken last
  milliseconds backoff{0};
  std::string complaint;  // said last, so that one cause is one line
  std::minstd_rand random{std::random_device{}()};
  std::thread worker;

  void run();
  bool wait_for_records(std::unique_lock<std::mutex>& lock);
  void pause(milliseconds time);
  void deliver(const std::vector<std::string>& records);
  Outcome attempt(const std::vector<std::string>& records, milliseconds& wait, std::string& why);
  Result<HttpResponse> post(const std::string& body);
  void taken(std::size_t records);
  void too_large(std::size_t records, const std::string& why);
  void refused(std::size_t records, const std::string& why);
  void later(milliseconds wait, const std::string& why);
  void complain(const std::string& message);
};

Delivery::Delivery(DeliveryOptions options, std::unique_ptr<Spool> spool)
    : state_(std::make_unique<State>(std::move(options), std::move(spool))) {
  state_->worker = std::thread([state = state_.get()] { state->run(); });
}

Delivery::~Delivery() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->client.cancel();
  state_->changed.notify_all();
  state_->worker.join();
  const auto counts = this->counts();
  std::string text;
  const auto say = [&text](std::uint64_t count, const char* what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + what;
  };
  say(counts.spool.records - counts.spool.in_memory,
      " records wait in the spool for the next start");
  say(counts.spool.in_memory, " records were not sent");
  say(counts.spool.dropped, " dropped for lack of room");
  say(counts.rejected, " refused by the destination");
  if (!text.empty()) log_warning(state_->options.name + ": " + text);
}

void Delivery::send(std::string record) {
  state_->spool->append(std::move(record));
  {
    const std::lock_guard lock(state_->mutex);
    state_->idle = false;
  }
  state_->changed.notify_all();
}

void Delivery::flush(milliseconds deadline) {
  std::unique_lock lock(state_->mutex);
  state_->hurry = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, deadline, [this] { return state_->idle; });
  state_->hurry = false;
}

DeliveryCounts Delivery::counts() const {
  const std::lock_guard lock(state_->mutex);
  DeliveryCounts counts = state_->counts;
  counts.spool = state_->spool->counts();
  return counts;
}

void Delivery::State::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex);
      if (!wait_for_records(lock)) return;
    }
    const auto records = spool->peek(batch_limit, options.batch_bytes);
    if (!records.empty()) deliver(records);
  }
}

// False: stop.
bool Delivery::State::wait_for_records(std::unique_lock<std::mutex>& lock) {
  auto waiting = spool->counts();
  while (waiting.records == 0 && !stopping) {
    idle = true;
    changed.notify_all();
    changed.wait(lock, [this] { return stopping || !idle; });
    waiting = spool->counts();
  }
  idle = false;
  if (!stopping && !hurry && waiting.records < batch_limit && waiting.bytes < options.batch_bytes) {
    changed.wait_for(lock, options.linger, [this] { return stopping || hurry; });
  }
  return !stopping;
}

void Delivery::State::pause(milliseconds time) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, time, [this] { return stopping || hurry; });
  // One attempt for a flush, not a storm of them: the next pause is a real one.
  if (hurry) {
    hurry = false;
  }
}

void Delivery::State::deliver(const std::vector<std::string>& records) {
  milliseconds wait{0};
  std::string why;
  const Outcome outcome = attempt(records, wait, why);
  {
    const std::lock_guard lock(mutex);
    if (stopping && outcome != Outcome::kTaken) return;
  }
  switch (outcome) {
    case Outcome::kTaken:
      taken(records.size());
      break;
    case Outcome::kTooLarge:
      too_large(records.size(), why);
      break;
    case Outcome::kRefused:
      refused(records.size(), why);
      break;
    case Outcome::kRefusedKey:
      complain(why + ": the API key is refused; keeping what there is, next try in 5 minutes");
      pause(DeliveryOptions::kRefusedPause);
      break;
    case Outcome::kNoAnswer:
      endpoint.reset();
      later(wait, why);
      break;
    case Outcome::kLater:
      if (why == "HTTP 404" || why == "HTTP 405") endpoint.reset();
      later(wait, why);
      break;
  }
}

Outcome Delivery::State::attempt(const std::vector<std::string>& records, milliseconds& wait,
                                 std::string& why) {
  if (!endpoint) {
    auto found = options.resolve(client);
    if (!found) {
      why = found.error().message;
      return Outcome::kNoAnswer;
    }
    endpoint = std::move(*found);
  }
  std::string body = options.head;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (i > 0) body += options.separator;
    body += records[i];
  }
  body += options.tail;
  auto response = post(body);
  if (response && response->status == kUnsupportedMediaType && std::exchange(compress, false)) {
    log_info(options.name + ": the destination does not take gzip, going on without");
    response = post(body);
  }
  if (!response) {
    why = response.error().message;
    return Outcome::kNoAnswer;
  }
  why = describe(*response);
  if (response->retry_after) {
    if (const auto after = parse_retry_after(*response->retry_after, std::time(nullptr)))
      wait = *after;
  }
  const Outcome outcome = options.outcome(response->status);
  left_out = {};
  if (outcome == Outcome::kTaken && options.read_answer != nullptr)
    left_out = options.read_answer(response->body);
  return outcome;
}

Result<HttpResponse> Delivery::State::post(const std::string& body) {
  {
    const std::lock_guard lock(mutex);
    ++counts.requests;
  }
  HttpRequest request{endpoint->url, endpoint->unix_socket, endpoint->headers,
                      body,          options.timeout,       endpoint->tls};
  const std::string small = compress ? gzip(body) : std::string{};
  if (!small.empty()) {
    request.headers.emplace_back("Content-Encoding: gzip");
    request.body = small;
  }
  return client.send(request);
}

void Delivery::State::taken(std::size_t records) {
  spool->pop(records);
  backoff = milliseconds{0};
  batch_limit = std::min(options.batch_records, batch_limit * 2);
  const auto rejected = std::min<std::uint64_t>(left_out.rejected, records);
  if (!left_out.message.empty() || rejected > 0) {
    complain("taken, but " + std::to_string(left_out.rejected) +
             " left out by the destination: " + left_out.message);
  } else if (!std::exchange(complaint, {}).empty()) {
    log_info(options.name + ": delivering again");
  }
  const std::lock_guard lock(mutex);
  counts.delivered += records - rejected;
  counts.rejected += rejected;
}

void Delivery::State::too_large(std::size_t records, const std::string& why) {
  if (records > 1) {
    batch_limit = records / 2;
  } else {
    refused(1, why);
  }
}

void Delivery::State::refused(std::size_t records, const std::string& why) {
  spool->pop(records);
  complain(why + ": refused by the destination and dropped");
  const std::lock_guard lock(mutex);
  counts.rejected += records;
}

void Delivery::State::later(milliseconds wait, const std::string& why) {
  complain(why + "; keeping what there is and trying again");
  backoff =
      backoff.count() == 0 ? options.first_backoff : std::min(backoff * 2, options.most_backoff);
  // Full second half random: many daemons must not come back together.
  std::uniform_int_distribution<std::int64_t> jitter(backoff.count() / 2, backoff.count());
  {
    const std::lock_guard lock(mutex);
    ++counts.retries;
  }
  pause(std::max(wait, milliseconds(jitter(random))));
}

void Delivery::State::complain(const std::string& message) {
  if (std::exchange(complaint, message) != message) log_warning(options.name + ": " + message);
}

}  // namespace llmtap
