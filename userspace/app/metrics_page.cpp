// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/metrics_page.h"

#include <utility>

#include "userspace/base/log.h"
#include "userspace/sinks/queued_sink.h"

namespace llmtap {
namespace {

constexpr std::size_t kQueued = 8192;

class MetricsWriter final : public RecordWriter {
 public:
  MetricsWriter(std::mutex& mutex, CallMetrics& calls) : mutex_(mutex), calls_(calls) {}
  std::string_view name() const override { return "metrics"; }
  void write(std::span<const SharedCall> calls) override {
    const std::lock_guard lock(mutex_);
    for (const auto& call : calls) calls_.add(*call);
  }

 private:
  std::mutex& mutex_;
  CallMetrics& calls_;
};

}  // namespace

MetricsPage::MetricsPage(const MetricsConfig& config, Polls polls)
    : polls_(std::move(polls)), calls_(config.max_label_sets) {}

std::unique_ptr<Sink> MetricsPage::sink() {
  return std::make_unique<QueuedSink>(std::make_unique<MetricsWriter>(mutex_, calls_), kQueued);
}

void MetricsPage::listen(const std::string& address) {
  server_.reset();
  if (address.empty()) return;
  const auto parsed = parse_listen(address);
  auto server = parsed ? HttpServer::start(*parsed, [this](const auto& r) { return answer(r); })
                       : Result<std::unique_ptr<HttpServer>>(parsed.error());
  if (!server) {
    log_warning("no metrics: " + server.error().message);
    return;
  }
  server_ = std::move(*server);
}

HttpServer::Response MetricsPage::answer(const HttpServer::Request& request) const {
  if (request.path == "/metrics") {
    Exposition out;
    {
      const std::lock_guard lock(mutex_);
      calls_.write(out);
    }
    write_daemon_metrics(out, polls_.figures());
    return {200, kExpositionType, out.text()};
  }
  if (request.path == "/healthz") {
    const auto trouble = polls_.trouble();
    return {trouble.empty() ? 200 : 503, "text/plain; charset=utf-8",
            (trouble.empty() ? "ok" : trouble) + "\n"};
  }
  return {404, "text/plain; charset=utf-8", "llmtap: /metrics, /healthz\n"};
}

}  // namespace llmtap
