// SPDX-License-Identifier: Apache-2.0
#include "parsers/body/body_decoder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>

#include "parsers/body/decoders.h"

namespace llmtap {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Of a body that is not compressed; 0: unknown. A body is taken as it comes, whatever this says.
std::size_t announced_size(const Headers& headers) {
  std::size_t size = 0;
  const auto text = find_header(headers, "content-length").value_or(std::string_view{});
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  return error == std::errc{} ? size : 0;
}

// "text/event-stream; charset=utf-8" → "text/event-stream"
std::string media_type(const Headers& headers) {
  const auto value = find_header(headers, "content-type").value_or(std::string_view{});
  std::string type = lower(value.substr(0, value.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  return type;
}

std::string boundary(const Headers& headers) {
  const auto value = find_header(headers, "content-type").value_or(std::string_view{});
  const auto at = lower(value).find("boundary=");
  if (at == std::string::npos) return {};
  std::string_view rest = value.substr(at + 9);
  if (rest.starts_with('"')) {
    rest.remove_prefix(1);
    return std::string(rest.substr(0, rest.find('"')));
  }
  rest = rest.substr(0, rest.find(';'));
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  return std::string(rest);
}

bool is_media(std::string_view type) {
  constexpr std::array<std::string_view, 6> kMedia = {
      "audio/", "image/", "video/", "font/", "application/pdf", "application/zip"};
  return std::any_of(kMedia.begin(), kMedia.end(),
                     [&](std::string_view prefix) { return type.starts_with(prefix); });
}

// What the Content-Type says; the body's first bytes may know better (see Sniffer).
BodyKind declared(std::string_view type) {
  if (type == "text/event-stream") return BodyKind::kSse;
  if (type == "application/x-ndjson" || type == "application/ndjson" ||
      type == "application/jsonl" || type == "application/x-jsonlines" ||
      type == "application/json-lines" || type == "application/stream+json" ||
      type == "application/json-seq") {
    return BodyKind::kNdjson;
  }
  if (type == "application/vnd.amazon.eventstream") return BodyKind::kAwsEventStream;
  if (type == "multipart/form-data") return BodyKind::kMultipart;
  if (type == "application/grpc" || type.starts_with("application/grpc+")) return BodyKind::kGrpc;
  if (is_media(type) || type == "application/octet-stream") return BodyKind::kOpaque;
  return BodyKind::kWhole;
}

// The first bytes of a body (leading white space already gone).
struct Sniffed {
  bool undecided = false;
  std::optional<BodyKind> kind;  // absent: nothing that is known, the Content-Type decides
};

Sniffed sniff(std::string_view head) {
  constexpr std::array<std::string_view, 5> kFields = {"data:", "event:", "id:", "retry:",
                                                       "\xEF\xBB\xBF"};
  if (head.empty()) return {.undecided = true, .kind = {}};
  if (head.front() == '{') return {.undecided = false, .kind = BodyKind::kWhole};
  if (head.front() == '[') {
    const auto next = head.find_first_not_of(" \t\r\n", 1);
    if (next == std::string_view::npos) return {.undecided = head.size() < 64, .kind = {}};
    return {.undecided = false,
            .kind = head[next] == '{' ? BodyKind::kJsonArray : BodyKind::kWhole};
  }
  if (head.front() == ':') return {.undecided = false, .kind = BodyKind::kSse};
  for (const auto field : kFields) {
    if (head.starts_with(field)) return {.undecided = false, .kind = BodyKind::kSse};
    if (field.starts_with(head)) return {.undecided = true, .kind = {}};
  }
  if (head.front() == '\0') {
    if (head.size() < 12) return {.undecided = true, .kind = {}};
    if (is_aws_prelude(head)) return {.undecided = false, .kind = BodyKind::kAwsEventStream};
  }
  return {};
}

// Holds the first few bytes of a body until they say what it is.
class Sniffer final : public BodyDecoder {
 public:
  Sniffer(BodyKind declared, std::string_view media_type, std::size_t expected,
          const BodyLimits& limits)
      : declared_(declared), expected_(expected), limits_(limits) {
    if (declared == BodyKind::kOpaque) media_type_ = media_type;  // of nobody else's events
  }

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    if (!inner_ && head_.empty()) {
      // Some servers send blank lines while the model thinks.
      const auto first = bytes.find_first_not_of(" \t\r\n");
      bytes.remove_prefix(first == std::string_view::npos ? bytes.size() : first);
    }
    while (!inner_ && !bytes.empty()) {
      const Sniffed sniffed = head_.empty() ? sniff(bytes.substr(0, kHead)) : more(bytes);
      if (sniffed.undecided) {
        if (head_.empty()) {
          head_.assign(bytes);
          return;
        }
        continue;
      }
      open(sniffed.kind);
      std::string head;
      head.swap(head_);
      if (!head.empty()) inner_->feed(head, ts_ns, sink);
    }
    if (inner_ && !bytes.empty()) inner_->feed(bytes, ts_ns, sink);
  }

  void gap(std::uint64_t bytes) override {
    if (!inner_) open(std::nullopt);
    head_.clear();
    inner_->gap(bytes);
  }

  void finish(TimeNs ts_ns, bool complete, BodySink& sink) override {
    if (!inner_) {
      if (head_.empty()) return;
      open(std::nullopt);
      inner_->feed(head_, ts_ns, sink);
    }
    inner_->finish(ts_ns, complete, sink);
  }

  std::size_t memory() const override {
    return sizeof *this + head_.capacity() + (inner_ ? inner_->memory() : 0);
  }
  bool streamed() const override { return inner_ && inner_->streamed(); }

 private:
  static constexpr std::size_t kHead = 64;

  // Moves one byte into the head: this is at most kHead bytes of a body.
  Sniffed more(std::string_view& bytes) {
    head_.push_back(bytes.front());
    bytes.remove_prefix(1);
    return sniff(head_);
  }

  void open(std::optional<BodyKind> kind) {
    if (!kind) kind = declared_;
    // Lines are objects too: only the first newline could tell. The label is believed.
    if (*kind == BodyKind::kWhole && declared_ == BodyKind::kNdjson) kind = BodyKind::kNdjson;
    switch (*kind) {
      case BodyKind::kSse: inner_ = make_sse(limits_); break;
      case BodyKind::kNdjson: inner_ = make_ndjson(limits_); break;
      case BodyKind::kJsonArray: inner_ = make_json_array(limits_); break;
      case BodyKind::kAwsEventStream: inner_ = make_aws_eventstream(limits_); break;
      case BodyKind::kOpaque: inner_ = make_opaque(media_type_); break;
      default: inner_ = make_whole(limits_, true, expected_); break;
    }
  }

  BodyKind declared_;
  std::string media_type_;
  std::size_t expected_;
  BodyLimits limits_;
  std::string head_;
  std::unique_ptr<BodyDecoder> inner_;
};

}  // namespace

std::unique_ptr<BodyDecoder> make_body_decoder(const Headers& headers, const BodyLimits& limits) {
  const std::string type = media_type(headers);
  const BodyKind kind = declared(type);
  if (kind == BodyKind::kMultipart || kind == BodyKind::kGrpc || is_media(type)) {
    return make_body_decoder(kind, headers, limits);
  }
  return std::make_unique<Sniffer>(kind, type, announced_size(headers), limits);
}

std::unique_ptr<BodyDecoder> make_body_decoder(BodyKind kind, const Headers& headers,
                                               const BodyLimits& limits) {
  switch (kind) {
    case BodyKind::kWhole: return make_whole(limits, false);
    case BodyKind::kSse: return make_sse(limits);
    case BodyKind::kNdjson: return make_ndjson(limits);
    case BodyKind::kJsonArray: return make_json_array(limits);
    case BodyKind::kAwsEventStream: return make_aws_eventstream(limits);
    case BodyKind::kMultipart: return make_multipart(boundary(headers), limits);
    case BodyKind::kOpaque: return make_opaque(media_type(headers));
    case BodyKind::kGrpc:
      return make_grpc(find_header(headers, "grpc-encoding").value_or(std::string_view{}), limits);
  }
  return make_whole(limits, false);
}

}  // namespace llmtap
