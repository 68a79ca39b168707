// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/daemon_metrics.h"

#include <optional>

namespace llmtap {
namespace {

double real(std::uint64_t count) { return static_cast<double>(count); }

std::string_view stage_of(LossReason reason) {
  if (reason < LossReason::kGap) return "kernel";
  if (reason < LossReason::kQueueFull) return "parse";
  return "destination";
}

// Reasons of the last stage are counted by the destinations themselves.
void write_losses(Exposition& out, const LossLedger& kernel, const LossLedger& parse) {
  const auto each = [&](auto figure) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(LossReason::kQueueFull); ++i) {
      const auto reason = static_cast<LossReason>(i);
      out.sample({{"stage", stage_of(reason)}, {"reason", name(reason)}},
                 real(figure(kernel, reason) + figure(parse, reason)));
    }
  };
  out.family("llmtap_losses_total", "counter",
             "Times that something was dropped, cut or not understood, by reason.");
  each([](const LossLedger& ledger, LossReason reason) { return ledger.times(reason); });
  out.family("llmtap_lost_bytes_total", "counter", "Bytes of it, where they are known.");
  each([](const LossLedger& ledger, LossReason reason) { return ledger.bytes(reason); });
}

void write_capture(Exposition& out, const DaemonFigures& figures) {
  const auto& capture = figures.capture;
  out.counter("llmtap_capture_hits_total", "Entries into probed functions.", real(capture.entered));
  out.counter("llmtap_capture_hits_ignored_total",
              "Of these, on connections without LLM traffic that are left alone.",
              real(capture.ignored));
  out.counter("llmtap_capture_io_total", "Reads and writes of hooked processes that moved bytes.",
              real(capture.calls));
  out.family("llmtap_capture_bytes_total", "counter",
             "Bytes that they moved, by outcome: copied, withheld on request, lost.");
  out.sample({{"outcome", "delivered"}}, real(capture.bytes_delivered));
  out.sample({{"outcome", "withheld"}}, real(capture.bytes_withheld));
  out.sample({{"outcome", "lost"}}, real(capture.bytes_lost()));
  out.counter("llmtap_capture_issued_bytes_total", "Bytes that they moved, in all.",
              real(capture.bytes));
  out.counter("llmtap_capture_events_total", "Events taken from the ring buffer.",
              real(capture.events));
  out.counter("llmtap_capture_events_refused_total", "Malformed events: a bug.",
              real(capture.events_refused));
  out.counter("llmtap_capture_unseen_connections_total",
              "Connections to LLM hosts by TLS stacks that cannot be read.", real(capture.unseen));
  out.family("llmtap_stream_bytes_total", "counter",
             "Captured bytes by what became of them; gap: bytes that never came.");
  const auto& streams = figures.pipeline.streams;
  out.sample({{"outcome", "parsed"}}, real(streams.parsed));
  out.sample({{"outcome", "skipped"}}, real(streams.skipped));
  out.sample({{"outcome", "repeated"}}, real(streams.repeated));
  out.sample({{"outcome", "gap"}}, real(streams.gap));
  write_losses(out, capture.lost, figures.pipeline.losses);
}

void write_pipeline(Exposition& out, const DaemonFigures& figures) {
  const auto& pipeline = figures.pipeline;
  out.family("llmtap_records_total", "counter", "Calls given to the destinations.");
  out.sample({{"outcome", "complete"}}, real(pipeline.calls - pipeline.partial));
  out.sample({{"outcome", "partial"}}, real(pipeline.partial));
  out.counter("llmtap_secrets_masked_total", "Credentials masked in texts.",
              real(pipeline.secrets_masked));
  out.gauge("llmtap_open_connections", "Connections being followed.", real(pipeline.connections));
  out.gauge("llmtap_parser_memory_bytes", "Buffers and open calls.", real(pipeline.memory));
  out.family("llmtap_processes", "gauge",
             "Processes of this machine: all, with TLS, hooked, left out as busy without LLM "
             "calls, silent though hooked.");
  out.sample({{"state", "running"}}, real(figures.hooks.running));
  out.sample({{"state", "tls"}}, real(figures.hooks.tls));
  out.sample({{"state", "hooked"}}, real(figures.hooks.hooked));
  out.sample({{"state", "left_out"}}, real(figures.capture.left_out));
  out.sample({{"state", "silent"}}, real(figures.capture.silent));
  out.gauge("llmtap_hooked_files", "Executables and libraries with probes.",
            real(figures.hooks.files));
}

// `value` of each sink that has it.
template <class Value>
void per_sink(Exposition& out, const std::vector<SinkCounts>& sinks, std::string_view name,
              std::string_view type, std::string_view help, Value value) {
  out.family(name, type, help);
  for (const auto& sink : sinks) {
    const std::optional<std::uint64_t> count = value(sink);
    if (count) out.sample({{"sink", sink.name}}, real(*count));
  }
}

void write_queues(Exposition& out, const std::vector<SinkCounts>& sinks) {
  per_sink(out, sinks, "llmtap_sink_calls_total", "counter", "Calls that a sink was given.",
           [](const SinkCounts& s) { return s.accepted; });
  per_sink(out, sinks, "llmtap_sink_dropped_calls_total", "counter",
           "Calls that a full queue refused.", [](const SinkCounts& s) { return s.dropped; });
  per_sink(out, sinks, "llmtap_sink_withheld_calls_total", "counter",
           "Calls that sampling or the content policy kept from a sink.",
           [](const SinkCounts& s) { return s.withheld; });
  per_sink(out, sinks, "llmtap_sink_queue_length", "gauge", "Calls in the queue.",
           [](const SinkCounts& s) { return s.queued; });
  per_sink(out, sinks, "llmtap_sink_queue_capacity", "gauge", "Calls that the queue can hold.",
           [](const SinkCounts& s) { return s.capacity; });
  out.family("llmtap_store_calls_total", "counter", "Calls stored, or not for want of a disk.");
  for (const auto& sink : sinks) {
    if (!sink.store) continue;
    out.sample({{"outcome", "stored"}}, real(sink.store->stored));
    out.sample({{"outcome", "failed"}}, real(sink.store->failed));
  }
  out.family("llmtap_store_bytes", "gauge", "The store's files.");
  for (const auto& sink : sinks) {
    if (sink.store) out.sample({}, real(sink.store->bytes));
  }
}

void write_deliveries(Exposition& out, const std::vector<SinkCounts>& sinks) {
  out.family("llmtap_delivery_records_total", "counter",
             "Records that a destination took, or refused for good.");
  for (const auto& sink : sinks) {
    if (!sink.delivery) continue;
    out.sample({{"sink", sink.name}, {"outcome", "delivered"}}, real(sink.delivery->delivered));
    out.sample({{"sink", sink.name}, {"outcome", "rejected"}}, real(sink.delivery->rejected));
  }
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value) {
    per_sink(out, sinks, name, type, help, [&](const SinkCounts& s) {
      return s.delivery ? std::optional<std::uint64_t>(value(*s.delivery)) : std::nullopt;
    });
  };
  family("llmtap_delivery_requests_total", "counter", "HTTP requests.",
         [](const DeliveryCounts& d) { return d.requests; });
  family("llmtap_delivery_retries_total", "counter", "HTTP requests that had to be repeated.",
         [](const DeliveryCounts& d) { return d.retries; });
  family("llmtap_spool_records", "gauge", "Records that wait for their destination.",
         [](const DeliveryCounts& d) { return d.spool.records; });
  family("llmtap_spool_bytes", "gauge", "Bytes of them.",
         [](const DeliveryCounts& d) { return d.spool.bytes; });
  family("llmtap_spool_memory_records", "gauge", "Of them, in memory: the disk refused them.",
         [](const DeliveryCounts& d) { return d.spool.in_memory; });
  family("llmtap_spool_dropped_records_total", "counter",
         "Records dropped because the spool was full.",
         [](const DeliveryCounts& d) { return d.spool.dropped; });
}

void write_process(Exposition& out, const DaemonFigures& figures) {
  out.family("llmtap_build_info", "gauge", "Always 1; the version is in the label.");
  out.sample({{"version", figures.version}}, 1);
  out.family("llmtap_config_reloads_total", "counter", "Reloads of the configuration.");
  out.sample({{"outcome", "done"}}, real(figures.reloads.done));
  out.sample({{"outcome", "refused"}}, real(figures.reloads.refused));
  out.gauge("llmtap_config_loaded_timestamp_seconds", "When what holds now was loaded.",
            figures.reloads.last_done);
  const auto& usage = figures.usage;
  out.counter("process_cpu_seconds_total", "User and system time.", usage.cpu_seconds);
  out.gauge("process_resident_memory_bytes", "Resident memory.", real(usage.resident_bytes));
  out.gauge("process_virtual_memory_bytes", "Virtual memory.", real(usage.virtual_bytes));
  out.gauge("process_open_fds", "Open file descriptors.", real(usage.open_files));
  out.gauge("process_max_fds", "Limit of open file descriptors.", real(usage.max_files));
  out.gauge("process_start_time_seconds", "Start of the process.", usage.start_time);
}

}  // namespace

void write_daemon_metrics(Exposition& out, const DaemonFigures& figures) {
  write_capture(out, figures);
  write_pipeline(out, figures);
  write_queues(out, figures.sinks);
  write_deliveries(out, figures.sinks);
  write_process(out, figures);
}

}  // namespace llmtap
