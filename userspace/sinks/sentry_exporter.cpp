// SPDX-License-Identifier: Apache-2.0
#include "userspace/sinks/sentry_exporter.h"

#include <string>
#include <utility>

#include "userspace/sinks/encoding_writer.h"
#include "userspace/sinks/otlp_exporter.h"

namespace llmtap {
namespace {

std::unique_ptr<RecordWriter> make_otlp(const sentry::Dsn& dsn, sentry::SpanOptions options,
                                        otlp::Host host, std::unique_ptr<Spool> spool) {
  OtlpTarget target;
  target.url = dsn.otlp_url();
  target.headers = {"x-sentry-auth: sentry sentry_key=" + dsn.public_key};
  const std::string schema(otlp::names(otlp::Conventions::k1_41).schema_url);
  Encode encode = [options = std::move(options), host = std::move(host),
                   schema](const CallRecord& call) -> std::optional<std::string> {
    if (!generates(call.operation) || !sentry::sampled(call, options)) return std::nullopt;
    return otlp::encode({otlp::process_resource(call, host), schema},
                        sentry::ai_span(call, options), otlp::Format::kProtobuf);
  };
  return std::make_unique<EncodingWriter>(
      std::move(encode), otlp_delivery(otlp::Signal::kTraces, target, "sentry"), std::move(spool));
}

// An envelope holds spans of one trace, so each call is a request of its own.
std::unique_ptr<RecordWriter> make_envelopes(const sentry::Dsn& dsn, sentry::SpanOptions options,
                                             otlp::Host host, std::unique_ptr<Spool> spool) {
  DeliveryOptions delivery;
  delivery.name = "sentry";
  HttpEndpoint endpoint{dsn.envelope_url(), "", {}, {}};
  endpoint.headers = {"Content-Type: application/x-sentry-envelope",
                      "X-Sentry-Auth: Sentry sentry_key=" + dsn.public_key +
                          ", sentry_version=7, sentry_client=llmtap/0.1.0"};
  delivery.resolve = [endpoint = std::move(endpoint)](HttpClient&) { return endpoint; };
  delivery.head = delivery.separator = delivery.tail = "";
  delivery.gzip = true;
  delivery.batch_records = 1;
  delivery.linger = std::chrono::milliseconds{0};
  Encode encode = [options = std::move(options), host = std::move(host),
                   dsn](const CallRecord& call) -> std::optional<std::string> {
    if (!generates(call.operation) || !sentry::sampled(call, options)) return std::nullopt;
    return sentry::envelope(sentry::ai_span(call, options), otlp::process_resource(call, host),
                            dsn);
  };
  return std::make_unique<EncodingWriter>(std::move(encode), std::move(delivery), std::move(spool));
}

}  // namespace

std::unique_ptr<RecordWriter> make_sentry(const sentry::Dsn& dsn, SentryFormat format,
                                          sentry::SpanOptions options, otlp::Host host,
                                          std::unique_ptr<Spool> spool) {
  return format == SentryFormat::kOtlp
             ? make_otlp(dsn, std::move(options), std::move(host), std::move(spool))
             : make_envelopes(dsn, std::move(options), std::move(host), std::move(spool));
}

}  // namespace llmtap
