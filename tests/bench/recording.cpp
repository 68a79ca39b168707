// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/recording.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace llmtap::bench {
namespace {

constexpr std::size_t kJsonPadding = 64;
constexpr TimeNs kChunkNs = 50'000;
constexpr std::size_t kHttp2Frame = 16384;


class Writer {
 public:
  Writer(Recording& out, std::size_t chunk_bytes, ConnId conn = {100, 0x7f0012345678, 1})
      : out_(out), chunk_bytes_(chunk_bytes), conn_(conn) {}

  // Each piece is a chunk of its own, unless chunks have a size.
  void write(Direction direction, const std::vector<std::string>& pieces) {
    if (chunk_bytes_ == 0) {
      for (const auto& piece : pieces) chunk(direction, keep(piece));
      return;
    }
    std::string all;
    for (const auto& piece : pieces) all += piece;
    std::string_view rest = keep(std::move(all));
    while (!rest.empty()) {
      const auto part = rest.substr(0, chunk_bytes_);
      chunk(direction, part);
      rest.remove_prefix(part.size());
    }
  }
  void json(std::string text) {
    const std::size_t size = text.size();
    out_.json_bytes += size;
    text.append(kJsonPadding, ' ');
    out_.texts.push_back(std::move(text));
    out_.json.push_back(std::string_view(out_.texts.back()).substr(0, size));
  }

 private:
  std::string_view keep(std::string text) {
    out_.texts.push_back(std::move(text));
    return out_.texts.back();
  }
  void chunk(Direction direction, std::string_view bytes) {
    Chunk chunk;
    chunk.conn = conn_;
    chunk.direction = direction;
    chunk.offset = std::exchange(offset_[static_cast<std::size_t>(direction)],
                                 offset_[static_cast<std::size_t>(direction)] + bytes.size());
    chunk.begin_ns = now_ += kChunkNs;
    chunk.end_ns = now_ += kChunkNs;
    chunk.bytes = bytes;
    out_.chunks.push_back(chunk);
    out_.wire_bytes += bytes.size();
  }

  Recording& out_;
  std::size_t chunk_bytes_;
  ConnId conn_;
  std::uint64_t offset_[2] = {0, 0};
  TimeNs now_ = 1'700'000'000'000'000'000;
};

// Words as a model emits them: a token or a few per event.
std::string words(std::size_t bytes, std::size_t seed) {
  static constexpr std::string_view kWords[] = {" the", " kernel", " copies", " each", " write",
                                                " of", " a", " stream", ",", " and", " \\n",
                                                " \\\"quoted\\\"", " caf\xC3\xA9", " buffers"};
  std::string out;
  while (out.size() < bytes) out += kWords[seed++ % std::size(kWords)];
  return out;
}

// ---- Bodies -------------------------------------------------------------------------------------

std::string request_body(Dialect dialect, bool stream, std::size_t bytes) {
  std::string body = R"({"model":")";
  body += dialect == Dialect::kAnthropic ? "claude-sonnet-4-5" : "gpt-4o";
  body += R"(","max_tokens":1024,"temperature":0.7,"stream":)";
  body += stream ? "true" : "false";
  body += R"(,"messages":[{"role":"user","content":"begin"})";
  if (dialect == Dialect::kNone) body = R"({"table":"orders","rows":[{"name":"first"})";
  constexpr std::size_t kMessage = 1500;
  for (std::size_t i = 0; body.size() + 128 < bytes; ++i) {
    const auto text = words(std::min(kMessage, bytes - body.size() - 100), i);
    if (dialect == Dialect::kNone) {
      body += R"(,{"name":")" + text + R"(","price":12.5,"id":)" + std::to_string(i) + "}";
    } else {
      body += std::string(R"(,{"role":")") + (i % 2 == 0 ? "assistant" : "user") +
              R"(","content":")" + text + R"("})";
    }
  }
  return body + "]}";
}

std::string response_body(Dialect dialect, std::size_t bytes) {
  const std::string text = words(bytes < 512 ? 64 : bytes - 400, bytes);
  switch (dialect) {
    case Dialect::kAnthropic:
      return R"({"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":)"
             R"("claude-sonnet-4-5-20250929","content":[{"type":"text","text":")" + text +
             R"("}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2095,)"
             R"("cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":503}})";
    case Dialect::kOpenAi:
      return R"({"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion",)"
             R"("created":1741569952,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":)"
             R"({"role":"assistant","content":")" + text +
             R"(","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":)"
             R"({"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,)"
             R"("prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":)"
             R"({"reasoning_tokens":0}},"system_fingerprint":"fp_44709d6fcb"})";
    case Dialect::kNone: break;
  }
  return R"({"rows":[],"note":")" + text + R"("})";
}

struct Event {
  std::string_view name;  // "": none
  std::string json;       // or [DONE]
};

std::vector<Event> openai_events(std::size_t count) {
  const auto event = [](std::string_view delta, std::string_view rest) {
    return Event{"", R"({"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":)"
                     R"("chat.completion.chunk","created":1741569952,"model":"gpt-4o-2024-08-06",)"
                     R"("service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":)"
                     R"([{"index":0,"delta":)" + std::string(delta) + R"(,"logprobs":null,)" +
                     std::string(rest)};
  };
  std::vector<Event> out;
  out.push_back(event(R"({"role":"assistant","content":"","refusal":null})",
                      R"("finish_reason":null}],"usage":null})"));
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(event(R"({"content":")" + words(1 + i % 40, i) + R"("})",
                        R"("finish_reason":null}],"usage":null})"));
  }
  out.push_back(event("{}", R"("finish_reason":"stop"}],"usage":null})"));
  out.push_back({"", "[DONE]"});
  return out;
}

std::vector<Event> anthropic_events(std::size_t count) {
  std::vector<Event> out;
  out.push_back({"message_start",
                 R"({"type":"message_start","message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":)"
                 R"("message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],)"
                 R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,)"
                 R"("output_tokens":1}}})"});
  out.push_back({"content_block_start",
                 R"({"type":"content_block_start","index":0,"content_block":{"type":"text",)"
                 R"("text":""}})"});
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back({"content_block_delta",
                   R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")" +
                       words(1 + i % 60, i) + R"("}})"});
  }
  out.push_back({"content_block_stop", R"({"type":"content_block_stop","index":0})"});
  out.push_back({"message_delta",
                 R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":)"
                 R"(null},"usage":{"output_tokens":503}})"});
  out.push_back({"message_stop", R"({"type":"message_stop"})"});
  return out;
}

std::string sse_text(const Event& event) {
  std::string out;
  if (!event.name.empty()) out += "event: " + std::string(event.name) + "\n";
  return out + "data: " + event.json + "\n\n";
}

// ---- Framing ------------------------------------------------------------------------------------

struct Field {
  std::string_view name, value;
};

std::string_view host(Dialect dialect) {
  return dialect == Dialect::kAnthropic ? "api.anthropic.com"
         : dialect == Dialect::kOpenAi  ? "api.openai.com"
                                        : "orders.internal";
}

std::string_view path(Dialect dialect) {
  return dialect == Dialect::kAnthropic ? "/v1/messages"
         : dialect == Dialect::kOpenAi  ? "/v1/chat/completions"
                                        : "/v2/orders/bulk";
}

const std::vector<Field>& request_fields() {
  static const std::vector<Field> kFields = {
      {"accept", "application/json"},
      {"content-type", "application/json"},
      {"user-agent", "OpenAI/Python 1.99.1"},
      {"x-stainless-lang", "python"},
      {"x-stainless-package-version", "1.99.1"},
      {"x-stainless-runtime", "CPython"},
      {"x-stainless-runtime-version", "3.12.3"},
      {"authorization", "Bearer sk-proj-00000000000000000000000000000000"}};
  return kFields;
}

const std::vector<Field>& response_fields() {
  static const std::vector<Field> kFields = {
      {"date", "Mon, 10 Mar 2025 01:25:52 GMT"},
      {"openai-organization", "example"},
      {"openai-processing-ms", "430"},
      {"x-ratelimit-limit-requests", "10000"},
      {"x-ratelimit-limit-tokens", "2000000"},
      {"x-ratelimit-remaining-requests", "9999"},
      {"x-ratelimit-remaining-tokens", "1999951"},
      {"x-ratelimit-reset-requests", "6ms"},
      {"x-ratelimit-reset-tokens", "1ms"},
      {"x-request-id", "req_0123456789abcdef0123456789abcdef"},
      {"cf-cache-status", "DYNAMIC"},
      {"server", "cloudflare"}};
  return kFields;
}

std::string http1_fields(const std::vector<Field>& fields) {
  std::string out;
  for (const auto& field : fields) {
    out += std::string(field.name) + ": " + std::string(field.value) + "\r\n";
  }
  return out;
}

std::string http1_request(Dialect dialect, const std::string& body) {
  return "POST " + std::string(path(dialect)) + " HTTP/1.1\r\nhost: " + std::string(host(dialect)) +
         "\r\n" + http1_fields(request_fields()) +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string http1_chunk(const std::string& data) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + data + "\r\n";
}

std::string frame(char type, char flags, std::uint32_t stream, std::string_view payload) {
  std::string out;
  for (int shift = 16; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(payload.size() >> shift));
  }
  out.push_back(type);
  out.push_back(flags);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(stream >> shift));
  return out.append(payload);
}

// Literal, not indexed, not Huffman coded; names and values shorter than 127 bytes.
void hpack(std::string& block, std::string_view name, std::string_view value) {
  block.push_back(0);
  for (const auto text : {name, value}) {
    block.push_back(static_cast<char>(text.size()));
    block.append(text);
  }
}

std::string http2_head(std::uint32_t stream, std::vector<Field> fields,
                       const std::vector<Field>& more) {
  std::string block;
  for (const auto& field : fields) hpack(block, field.name, field.value);
  for (const auto& field : more) hpack(block, field.name, field.value);
  return frame(1, 0x4, stream, block);
}

std::string http2_data(std::uint32_t stream, std::string_view body, bool end) {
  std::string out;
  do {
    const auto part = body.substr(0, kHttp2Frame);
    body.remove_prefix(part.size());
    out += frame(0, end && body.empty() ? 1 : 0, stream, part);
  } while (!body.empty());
  return out;
}

std::vector<std::string> request_wire(Transport transport, Dialect dialect, std::uint32_t stream,
                                      const std::string& body) {
  if (transport == Transport::kHttp1) return {http1_request(dialect, body)};
  std::string out;
  if (stream == 1) out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, {});
  out += http2_head(stream,
                    {{":method", "POST"}, {":scheme", "https"}, {":authority", host(dialect)},
                     {":path", path(dialect)}},
                    request_fields());
  return {out + http2_data(stream, body, true)};
}

std::vector<std::string> stream_wire(Transport transport, std::uint32_t stream,
                                     const std::vector<Event>& events) {
  std::vector<std::string> out;
  if (transport == Transport::kHttp1) {
    out.push_back("HTTP/1.1 200 OK\r\n" + http1_fields(response_fields()) +
                  "content-type: text/event-stream; charset=utf-8\r\n"
                  "transfer-encoding: chunked\r\n\r\n");
    for (const auto& event : events) out.push_back(http1_chunk(sse_text(event)));
    out.push_back("0\r\n\r\n");
    return out;
  }
  if (stream == 1) out.push_back(frame(4, 0, 0, {}));
  out.push_back(http2_head(stream, {{":status", "200"},
                                    {"content-type", "text/event-stream; charset=utf-8"}},
                           response_fields()));
  for (const auto& event : events) out.push_back(http2_data(stream, sse_text(event), false));
  out.push_back(http2_data(stream, {}, true));
  return out;
}

}  // namespace

Recording sse(const Streams& plan) {
  Recording out;
  Writer writer(out, plan.chunk_bytes, plan.conn);
  auto answer = plan.dialect == Dialect::kAnthropic ? anthropic_events(plan.events)
                                                    : openai_events(plan.events);
  if (plan.open) answer.resize(answer.size() - 3);
  const std::string body = request_body(plan.dialect, true, 600);
  for (std::size_t done = 0; done < plan.calls; done += plan.at_once) {
    std::vector<std::vector<std::string>> answers;
    for (std::size_t i = done; i < std::min(plan.calls, done + plan.at_once); ++i) {
      const auto stream = static_cast<std::uint32_t>(2 * i + 1);
      writer.json(body);
      writer.write(Direction::kWrite, request_wire(plan.transport, plan.dialect, stream, body));
      for (const auto& event : answer) {
        if (event.json != "[DONE]") writer.json(event.json);
      }
      answers.push_back(stream_wire(plan.transport, stream, answer));
      if (plan.open) answers.back().pop_back();
    }
    std::vector<std::string> pieces;
    for (std::size_t turn = 0, left = 1; left > 0; ++turn) {
      left = 0;
      for (auto& each : answers) {
        if (turn >= each.size()) continue;
        pieces.push_back(std::move(each[turn]));
        ++left;
      }
    }
    writer.write(Direction::kRead, pieces);
  }
  out.calls = plan.calls;
  return out;
}

Recording long_event(Transport transport, std::size_t bytes, std::size_t chunk_bytes) {
  Recording out;
  Writer writer(out, chunk_bytes);
  const std::string body = request_body(Dialect::kOpenAi, true, 600);
  writer.write(Direction::kWrite, request_wire(transport, Dialect::kOpenAi, 1, body));
  std::vector<Event> events = openai_events(1);
  events[1].json = R"({"choices":[{"index":0,"delta":{"content":")" + words(bytes, 0) + R"("}}]})";
  writer.write(Direction::kRead, stream_wire(transport, 1, events));
  out.calls = 1;
  return out;
}

Recording json_bodies(Dialect dialect, Large large, std::size_t calls, std::size_t body_bytes,
                      std::size_t chunk_bytes) {
  Recording out;
  Writer writer(out, chunk_bytes);
  constexpr std::size_t kSmall = 600;
  const std::string question =
      request_body(dialect, false, large == Large::kRequest ? body_bytes : kSmall);
  const std::string answer = response_body(dialect, large == Large::kResponse ? body_bytes : kSmall);
  for (std::size_t i = 0; i < calls; ++i) {
    writer.json(question);
    writer.json(answer);
    writer.write(Direction::kWrite, request_wire(Transport::kHttp1, dialect, 1, question));
    writer.write(Direction::kRead,
                 {"HTTP/1.1 200 OK\r\n" + http1_fields(response_fields()) +
                  "content-type: application/json\r\ncontent-length: " +
                  std::to_string(answer.size()) + "\r\n\r\n" + answer});
  }
  out.calls = calls;
  return out;
}

}  // namespace llmtap::bench
