// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/daemon.h"

#include <optional>
#include <utility>

#include "userspace/app/daemon_report.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/capture/kernel_features.h"
#include "userspace/capture/plain_ports.h"

namespace llmtap {
namespace {

constexpr std::uint64_t kStalledNs = 10'000'000'000;

double unix_seconds() { return static_cast<double>(unix_ns()) / 1e9; }

std::optional<PlainOptions> plain_options(const Config& config) {
  if (!config.plain_http.enabled) return std::nullopt;
  PlainOptions options{default_plain_ports()};
  options.linger = config.plain_http.linger;
  options.ports.insert(options.ports.end(), config.plain_http.ports.begin(),
                       config.plain_http.ports.end());
  return options;
}

// Of what changed, that which only a restart can change.
std::string for_next_start(const Config& from, const Config& to) {
  std::string keys;
  const auto add = [&keys](bool changed, const char* key) {
    if (changed) keys += (keys.empty() ? "" : ", ") + std::string(key);
  };
  add(from.hold_exec != to.hold_exec, "hold_exec");
  add(from.plain_http != to.plain_http, "plain_http");
  add(from.unhook != to.unhook, "unhook");
  add(from.ring_size != to.ring_size, "ring_size");
  add(from.metrics.max_label_sets != to.metrics.max_label_sets, "metrics.max_label_sets");
  return keys;
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(DaemonOptions options) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(options)));
  Daemon* const self = daemon.get();
  const Config& config = self->options_.config;
  CaptureOptions capturing;
  capturing.targets_only = self->options_.targets_only;
  capturing.hold_exec = config.hold_exec;
  capturing.plain = plain_options(config);
  capturing.busy = {config.unhook.calls_per_second, config.unhook.after, config.unhook.retry};
  capturing.ring_bytes = config.ring_size;
  for (const auto& row : config.providers) capturing.providers.add(row);
  auto capture = KernelCapture::start(capturing);
  if (!capture) return capture.error();
  self->capture_ = std::move(*capture);
  auto destinations = Destinations::open(config);
  if (!destinations) return destinations.error();
  self->metrics_ = std::make_unique<MetricsPage>(
      config.metrics,
      MetricsPage::Polls{[self] { return self->figures(); }, [self] { return self->trouble(); }});
  self->destinations_ = std::move(*destinations);
  self->destinations_->add(self->metrics_->sink());

  KernelCapture& kernel = *self->capture_;
  PipelineHooks hooks;
  hooks.on_verdict = [&kernel](const ConnId& conn, ConnVerdict verdict) {
    kernel.set_verdict(conn, verdict);
  };
  hooks.describe_process = [&kernel](CallRecord& call) { kernel.describe_process(call); };
  hooks.on_tick = [self] { self->tick(); };
  self->pipeline_ = std::make_unique<Pipeline>(config, *self->destinations_, std::move(hooks));
  self->reloads_.last_done = unix_seconds();
  self->metrics_->listen(config.metrics.listen);
  return daemon;
}

Daemon::~Daemon() {
  if (metrics_) metrics_->listen("");  // nobody asks any more: the rest may go in any order
}

void Daemon::announce() const {
  std::string line = capture_->describe();
  for (const auto& destination : destinations_->lines()) line += "; " + destination;
  log_info(line);
  if (const auto blind = probe_kernel().blind_spot(); !blind.empty()) log_warning(blind);
}

Status Daemon::run(const std::function<bool()>& stop, const std::function<bool()>& reload) {
  stop_asked_ = stop;
  reload_asked_ = reload;
  return pipeline_->run(capture_->source(), stop_, options_.config.delivery.flush_deadline);
}

void Daemon::tick() {
  last_tick_ns_ = monotonic_ns();
  if (reload_asked_()) this->reload();
  stop_ = stop_asked_();
}

void Daemon::reload() {
  auto config = options_.load();
  if (!config) {
    log_error("reload refused: " + config.error().message + "; the former configuration stays");
    const std::lock_guard lock(mutex_);
    ++reloads_.refused;
    return;
  }
  if (const auto keys = for_next_start(options_.config, *config); !keys.empty())
    log_warning("at the next start only: " + keys);
  pipeline_->reload(*config);
  if (config->metrics.listen != options_.config.metrics.listen)
    metrics_->listen(config->metrics.listen);
  options_.config = std::move(*config);
  std::string line = "configuration reloaded";
  for (const auto& destination : destinations_->lines()) line += "; " + destination;
  log_info(line);
  const std::lock_guard lock(mutex_);
  ++reloads_.done;
  reloads_.last_done = unix_seconds();
}

DaemonFigures Daemon::figures() const {
  DaemonFigures figures;
  figures.version = options_.version;
  figures.capture = capture_->counts();
  figures.hooks = capture_->hooks();
  figures.pipeline = pipeline_->counts();
  figures.sinks = destinations_->counts();
  figures.usage = self_usage();
  const std::lock_guard lock(mutex_);
  figures.reloads = reloads_;
  return figures;
}

std::string Daemon::trouble() const {
  const std::uint64_t last = last_tick_ns_;
  if (last != 0 && monotonic_ns() - last > kStalledNs) return "the capture thread does not move";
  return {};
}

void Daemon::report() const {
  const DaemonFigures figures = this->figures();
  for (const auto& line : report_lines(figures)) log_info(line);
}

}  // namespace llmtap
