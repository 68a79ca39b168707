// SPDX-License-Identifier: Apache-2.0
//
// The one internal record of an LLM call. Neutral: every exporter (LLMObs, OpenTelemetry, Sentry,
// Prometheus, store) is a pure mapping from it. Absent is absent: optional or empty containers,
// never a zero or a "-". Provider parsers fill it from the wire; userspace/enrich adds what the
// wire does not say (process, cost, estimates).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/core/boxed.h"
#include "parsers/core/chunk.h"
#include "parsers/core/endpoint.h"
#include "parsers/core/exchange.h"

namespace llmtap {

// What the call does. kManagement covers polling, listings, batches, files and other endpoints
// that generate nothing: recognised, never counted as a call.
enum class Operation : std::uint8_t {
  kChat,
  kTextCompletion,
  kEmbeddings,
  kImage,
  kSpeech,
  kTranscription,
  kTranslation,
  kModeration,
  kRerank,
  kAgent,      // a hosted agent runs (Bedrock InvokeAgent)
  kRetrieval,  // a hosted retriever answers
  kOther,      // generates, but is none of the above
  kCountTokens,
  kManagement,
};

std::string_view name(Operation operation);

// False for kCountTokens and kManagement.
constexpr bool generates(Operation operation) {
  return operation != Operation::kCountTokens && operation != Operation::kManagement;
}

enum class PartKind : std::uint8_t {
  kText,
  kReasoning,
  kRefusal,
  kToolCall,
  kToolResult,
  kImage,
  kAudio,
  kVideo,
  kFile,
  kOther,  // a block that has no neutral meaning: `raw` holds it
};

// One piece of a message. Media are typed and counted, their bytes are never kept.
struct Part {
  PartKind kind = PartKind::kText;
  std::string wire_type;  // the vendor's own word: "text", "server_tool_use", "input_image", ...
  std::string text;       // text, reasoning, refusal; the result of a tool; transcript of audio
  // Tool calls and results.
  std::string tool_name;
  std::string tool_id;
  std::string arguments;  // as on the wire: a JSON text, or any text if the model broke it
  // Media.
  std::string media_type;            // "image/png"; empty if not said
  std::optional<std::uint64_t> bytes;  // decoded size of inline data; absent for references
  std::string reference;             // URL, file id or file name
  // Everything else, and whatever a vendor adds that an exporter must show: compact JSON of the
  // block, with inline media data replaced by its size.
  std::string raw;

  bool operator==(const Part&) const = default;
};

struct Message {
  std::string role;  // as on the wire
  std::vector<Part> parts;
  std::optional<std::string> finish_reason;  // output messages: per choice
  std::string id;                            // vendor's message or item id, if any

  bool operator==(const Message&) const = default;
};

struct ToolDefinition {
  std::string name;
  std::string description;
  std::string schema;      // compact JSON; empty if absent
  std::string wire_type;   // "function", "custom", "web_search_20250305", ...
  bool deferred = false;   // defer_loading: the model does not see it yet
  bool null_description = false;  // the wire said null, not nothing

  bool operator==(const ToolDefinition&) const = default;
};

// Tokens in disjoint classes: input = input_uncached + cache_read + cache_write_*, output =
// output_visible + reasoning. `total_reported` is the provider's own total where it gives one.
struct Usage {
  enum class Source : std::uint8_t { kProvider, kEstimated };

  std::optional<std::uint64_t> input_uncached;
  std::optional<std::uint64_t> cache_read;
  std::optional<std::uint64_t> cache_write;     // all cache writes
  std::optional<std::uint64_t> cache_write_5m;  // split of cache_write by lifetime, where said
  std::optional<std::uint64_t> cache_write_1h;
  std::optional<std::uint64_t> tool_prompt;     // tool-use prompt tokens (Gemini), part of no class above
  std::optional<std::uint64_t> output_visible;
  std::optional<std::uint64_t> reasoning;
  std::optional<std::uint64_t> total_reported;
  // Modality split of the classes, where said.
  std::optional<std::uint64_t> input_audio;
  std::optional<std::uint64_t> output_audio;
  std::optional<std::uint64_t> input_image;
  std::optional<std::uint64_t> output_image;
  // Billing units other than tokens.
  std::optional<std::uint64_t> billable_characters;
  std::optional<std::uint64_t> search_units;
  std::optional<double> seconds;
  Source source = Source::kProvider;

  bool empty() const;
  // Sums of the classes; absent when no class of that side is known.
  std::optional<std::uint64_t> input() const;   // includes cache reads and writes, not tool_prompt
  std::optional<std::uint64_t> output() const;  // includes reasoning
  bool operator==(const Usage&) const = default;
};

struct Cost {
  enum class Source : std::uint8_t { kProvider, kTable };

  std::optional<double> input_usd;
  std::optional<double> output_usd;
  double total_usd = 0;
  Source source = Source::kTable;

  bool operator==(const Cost&) const = default;
};

// An error of the provider or of the transport.
struct CallError {
  std::string type;     // the vendor's word: "invalid_request_error", "ThrottlingException", ...
  std::string code;     // "rate_limit_exceeded", "insufficient_quota"
  std::string message;
  std::string body;     // compact JSON of the error body, bounded; for messages that quote it
  bool in_stream = false;  // arrived inside a response with a good status

  bool operator==(const CallError&) const = default;
};

// One dimension of a rate limit, normalised. `name`: "requests", "tokens", "input_tokens", ...
struct RateLimit {
  std::string name;
  std::optional<double> limit;
  std::optional<double> remaining;
  std::optional<double> reset_s;  // seconds until it is full again

  bool operator==(const RateLimit&) const = default;
};

// Unix ns, from the kernel's clock at the TLS call. 0 is never stored: absent is nullopt.
struct Timing {
  TimeNs request_start = 0;                 // first request byte; always known
  std::optional<TimeNs> request_end;        // last request byte
  std::optional<TimeNs> response_start;     // first response byte
  std::optional<TimeNs> first_token;        // first *content* (text, reasoning or tool delta)
  std::optional<TimeNs> last_token;         // last content
  TimeNs end = 0;                           // last byte seen

  bool operator==(const Timing&) const = default;
};

// What the calling library says about itself.
struct Sdk {
  std::string name;      // "openai", "anthropic", "boto3", product name for agent CLIs
  std::string version;
  std::string language;  // "python", "js", "go", ...
  std::optional<std::uint32_t> retry_count;  // attempt number, 0 for the first

  bool operator==(const Sdk&) const = default;
};

// Propagated trace context, as on the wire (datadog-llmobs contract 4.1, W3C trace context).
struct TraceContext {
  std::string traceparent;
  std::string tracestate;
  std::string datadog_trace_id;
  std::string datadog_parent_id;
  std::string datadog_sampling_priority;
  std::string datadog_tags;

  bool operator==(const TraceContext&) const = default;
};

// What a Datadog tracer has propagated under `_dd.p.<key>`: in x-datadog-tags, else as `t.<key>` in
// the `dd` member of tracestate; "" if nothing.
std::string propagated(const TraceContext& trace, std::string_view key);

// The observed process; filled by userspace/enrich.
struct ProcessInfo {
  std::uint32_t pid = 0;
  std::string exe;
  std::string comm;
  std::vector<std::string> command_line;  // secrets masked
  std::string container_id;
  std::string language;
  // Chosen variables of the target's own environment: DD_SERVICE, DD_ENV, DD_VERSION, DD_TAGS,
  // DD_LLMOBS_ML_APP, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES. Nothing else is read out of it.
  // Also the pod's k8s.* attributes, which enrich finds out.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string service;  // resolved name, never empty once enriched
  bool ddtrace_loaded = false;  // an in-process tracer is mapped

  bool operator==(const ProcessInfo&) const = default;
};

// Which end of the call we observe.
enum class ObservedEnd : std::uint8_t { kClient, kServer };

// A parameter of the request: name and compact JSON value. Never messages, tools or secrets.
struct Param {
  std::string name;
  std::string json;

  bool operator==(const Param&) const = default;
};

// What only the server's end of a call knows.
struct ServerEnd {
  ConnId conn;
  Timing timing;        // as the server saw it
  ProcessInfo process;  // filled by userspace/enrich

  bool operator==(const ServerEnd&) const = default;
};

struct CallRecord {
  std::string id;  // stable for resends; assigned at emission
  // What.
  std::string provider;  // vendor label ("openai", "anthropic", "azure_openai", "groq", ...)
  std::string dialect;   // parser that read it ("openai_chat", "anthropic_messages", ...)
  Operation operation = Operation::kChat;
  std::optional<std::string> model_requested;
  std::optional<std::string> model_served;
  bool streamed = false;
  // Where.
  ObservedEnd observed = ObservedEnd::kClient;
  std::string host;  // without port
  std::optional<std::uint16_t> port;
  std::string method;
  std::string path;  // with query, credentials in it masked
  Protocol protocol = Protocol::kHttp1;
  std::optional<int> http_status;
  // When.
  Timing timing;
  // Content.
  std::vector<Message> input;   // system prompts first, as messages of role "system"
  std::vector<Message> output;  // one per choice or item
  std::vector<ToolDefinition> tools;
  std::vector<Param> params;    // request parameters in wire order; see the dialect for overrides
  std::vector<std::string> documents;        // embedding and rerank inputs
  std::optional<std::uint64_t> embedding_count;
  std::optional<std::uint64_t> embedding_size;
  // Result.
  Usage usage;
  std::optional<Cost> cost;
  std::optional<std::string> finish_reason;  // of the call: first choice, or the vendor's status
  Boxed<CallError> error;
  End end = End::kComplete;
  bool partial = false;         // something of this call was lost or cut on our side
  std::uint64_t bytes_lost = 0;
  std::uint64_t request_bytes = 0;   // body bytes on the wire
  std::uint64_t response_bytes = 0;
  // Identity and limits.
  std::string response_id;  // the vendor's id of the answer
  std::string request_id;   // x-request-id, request-id, apim-request-id, ...
  std::vector<RateLimit> rate_limits;
  std::optional<double> retry_after_s;
  Sdk sdk;
  std::string session_id;
  std::string user_id;
  TraceContext trace;
  Headers request_headers;   // without credentials and cookies
  Headers response_headers;  // likewise
  // Shapes that only one vendor has and an exporter needs ("prompt" of OpenAI Responses, Bedrock
  // agent ids and traces, ...): name and compact JSON.
  std::vector<Param> vendor;
  ProcessInfo process;
  // Connection, so that both ends of one call can be matched.
  ConnId conn;
  std::optional<SocketPair> socket;  // its addresses, where they are known
  Boxed<ServerEnd> server;           // where both ends of the call are on this node

  bool operator==(const CallRecord&) const = default;
};

}  // namespace llmtap
