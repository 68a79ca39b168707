// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/otlp_exporter.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "userspace/base/clock.h"
#include "userspace/sinks/encoding_writer.h"
#include "userspace/sinks/otlp/partial_success.h"

namespace llmtap {
namespace {

using otlp::Signal;
using std::chrono::milliseconds;

constexpr std::size_t kMostRecords = 512;
constexpr std::size_t kMostBytes = std::size_t{8} << 20;  // collectors take 20 MiB, uncompressed
constexpr milliseconds kLinger{1000};
constexpr milliseconds kShortestInterval{100};

// Adds calls up on the sink's thread; a thread of its own exports.
class OtlpMetricsWriter final : public RecordWriter {
 public:
  OtlpMetricsWriter(const OtlpTarget& target, const otlp::MetricOptions& options, otlp::Host host,
                    milliseconds interval, std::unique_ptr<Spool> spool)
      : format_(target.format),
        schema_url_(otlp::names(options.conventions).schema_url),
        interval_(std::max(interval, kShortestInterval)),
        delivery_(otlp_delivery(Signal::kMetrics, target, "otlp-metrics"), std::move(spool)),
        table_(options, std::move(host), unix_ns()),
        thread_([this] { run(); }) {}

  ~OtlpMetricsWriter() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::string_view name() const override { return "otlp-metrics"; }
  void write(std::span<const SharedCall> calls) override {
    const std::lock_guard lock(mutex_);
    for (const auto& call : calls) {
      if (generates(call->operation)) table_.add(*call);
    }
  }
  void flush(milliseconds deadline) override {
    {
      const std::lock_guard lock(mutex_);
      export_now();
    }
    delivery_.flush(deadline);
  }
  void count(SinkCounts& counts) const override { counts.delivery = delivery_.counts(); }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, interval_, [this] { return stopping_; })) export_now();
  }
  // Under the mutex; the spool does not wait for the destination.
  void export_now() {
    for (auto& group : table_.collect(unix_ns()))
      delivery_.send(
          otlp::encode({std::move(group.resource), schema_url_}, group.metrics, format_));
  }

  const otlp::Format format_;
  const std::string schema_url_;
  const milliseconds interval_;
  Delivery delivery_;
  std::mutex mutex_;
  std::condition_variable changed_;
  otlp::MetricTable table_;  // guarded by mutex_
  bool stopping_ = false;    // likewise
  std::thread thread_;       // last
};

}  // namespace

otlp::Host this_host(std::vector<std::pair<std::string, std::string>> attributes) {
  otlp::Host host;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) host.name = name.data();
  std::ifstream("/etc/machine-id") >> host.id;
  host.attributes = std::move(attributes);
  return host;
}

DeliveryOptions otlp_delivery(Signal signal, const OtlpTarget& target, std::string name) {
  auto framing = otlp::framing(signal, target.format);
  HttpEndpoint endpoint{target.url, "", target.headers, target.tls};
  endpoint.headers.push_back("Content-Type: " + std::string(framing.content_type));
  DeliveryOptions options;
  options.name = std::move(name);
  options.resolve = [endpoint = std::move(endpoint)](HttpClient&) { return endpoint; };
  options.head = std::move(framing.head);
  options.separator = std::move(framing.separator);
  options.tail = std::move(framing.tail);
  options.gzip = target.gzip;
  options.outcome = otlp_outcome;
  options.read_answer = otlp::read_partial_success;
  options.batch_records = kMostRecords;
  options.batch_bytes = kMostBytes;
  options.linger = kLinger;
  options.timeout = target.timeout;
  return options;
}

namespace {

// `map`: a call and the options → what otlp::encode takes.
template <class Map>
std::unique_ptr<RecordWriter> per_call_writer(Signal signal, std::string name, Map map,
                                              const OtlpTarget& target,
                                              const otlp::MapOptions& options, otlp::Host host,
                                              std::unique_ptr<Spool> spool) {
  const std::string schema(otlp::names(options.conventions).schema_url);
  Encode encode = [=, host = std::move(host),
                   format = target.format](const CallRecord& call) -> std::optional<std::string> {
    if (!generates(call.operation)) return std::nullopt;
    return otlp::encode({otlp::process_resource(call, host), schema}, map(call, options), format);
  };
  return std::make_unique<EncodingWriter>(
      std::move(encode), otlp_delivery(signal, target, std::move(name)), std::move(spool));
}

}  // namespace

std::unique_ptr<RecordWriter> make_otlp_traces(const OtlpTarget& target, otlp::MapOptions options,
                                               otlp::Host host, std::unique_ptr<Spool> spool) {
  return per_call_writer(Signal::kTraces, "otlp-traces", otlp::make_span, target, options,
                         std::move(host), std::move(spool));
}

std::unique_ptr<RecordWriter> make_otlp_logs(const OtlpTarget& target, otlp::MapOptions options,
                                             otlp::Host host, std::unique_ptr<Spool> spool) {
  return per_call_writer(Signal::kLogs, "otlp-logs", otlp::make_events, target, options,
                         std::move(host), std::move(spool));
}

std::unique_ptr<RecordWriter> make_otlp_metrics(const OtlpTarget& target,
                                                otlp::MetricOptions options, otlp::Host host,
                                                milliseconds interval,
                                                std::unique_ptr<Spool> spool) {
  return std::make_unique<OtlpMetricsWriter>(target, options, std::move(host), interval,
                                             std::move(spool));
}

}  // namespace llmtap
