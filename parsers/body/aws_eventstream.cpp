// SPDX-License-Identifier: Apache-2.0
//
// application/vnd.amazon.eventstream (AWS "event stream encoding"), all integers big-endian:
//   u32 total length | u32 headers length | u32 CRC-32 of these eight bytes
//   headers: u8 name length, name, u8 type, value (type 7: u16 length, text)
//   payload | u32 CRC-32 of everything before it
// name = :event-type, or :exception-type / :error-code with `exception` set.
// InvokeModelWithResponseStream wraps the model's own JSON as {"bytes": base64, "p": padding} in
// events of type "chunk": where nothing else is in the payload and a JSON object is inside, that
// object is the event's data. Everything else (InvokeAgent's text chunks) is handed on as it is.
//
// Resync: the next twelve bytes whose lengths are possible and whose prelude CRC is right.
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "parsers/body/decoders.h"
#include "parsers/core/base64.h"
#include "parsers/core/json.h"

namespace llmtap {
namespace {

constexpr std::size_t kPrelude = 12;
constexpr std::size_t kMinMessage = 16;
constexpr std::size_t kMaxHeaders = 128 * 1024;

std::uint32_t u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::uint32_t crc(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

struct Fields {
  std::string_view message_type, event_type, exception_type, error_code;
};

// Size of a header value by its type; text and bytes (6, 7) carry their own.
std::optional<std::size_t> value_size(std::uint8_t type, std::string_view rest) {
  switch (type) {
    case 0:
    case 1: return 0;  // booleans
    case 2: return 1;
    case 3: return 2;
    case 4: return 4;
    case 5:
    case 8: return 8;
    case 6:
    case 7:
      if (rest.size() < 2) return std::nullopt;
      return 2 + (static_cast<std::size_t>(static_cast<unsigned char>(rest[0])) << 8 |
                  static_cast<unsigned char>(rest[1]));
    case 9: return 16;  // uuid
    default: return std::nullopt;
  }
}

bool read_headers(std::string_view bytes, Fields& fields) {
  while (!bytes.empty()) {
    const std::size_t name_size = static_cast<unsigned char>(bytes[0]);
    if (bytes.size() < name_size + 2) return false;
    const std::string_view name = bytes.substr(1, name_size);
    const auto type = static_cast<std::uint8_t>(bytes[1 + name_size]);
    bytes.remove_prefix(name_size + 2);
    const auto size = value_size(type, bytes);
    if (!size || *size > bytes.size()) return false;
    if (type == 7) {
      const std::string_view value = bytes.substr(2, *size - 2);
      if (name == ":message-type") fields.message_type = value;
      if (name == ":event-type") fields.event_type = value;
      if (name == ":exception-type") fields.exception_type = value;
      if (name == ":error-code") fields.error_code = value;
    }
    bytes.remove_prefix(*size);
  }
  return true;
}

// The JSON object inside {"bytes": base64, "p": ...}, or absent.
std::optional<std::string> nested(std::string_view payload) {
  JsonDocument document;
  const Json root = document.parse(payload);
  const auto encoded = root["bytes"].string();
  if (!encoded) return std::nullopt;
  for (const auto& [key, value] : root.members()) {
    if (key != "bytes" && key != "p") return std::nullopt;
  }
  auto inner = decode_base64(*encoded);
  if (!inner || !inner->starts_with('{') || !inner->ends_with('}')) return std::nullopt;
  return inner;
}

class AwsDecoder final : public BodyDecoder {
 public:
  explicit AwsDecoder(const BodyLimits& limits) : limit_(limits.event) {}

  void feed(std::string_view bytes, TimeNs ts_ns, BodySink& sink) override {
    while (!bytes.empty()) {
      if (discard_ > 0) {
        const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(discard_, bytes.size()));
        discard_ -= step;
        bytes.remove_prefix(step);
      } else if (buffer_.empty() && bytes.size() >= kPrelude) {
        bytes.remove_prefix(direct(bytes, ts_ns, sink));
      } else {
        bytes.remove_prefix(buffered(bytes, ts_ns, sink));
      }
    }
  }

  void gap(std::uint64_t) override {
    clear_buffer(buffer_);
    discard_ = 0;
    after_gap_ = true;
  }

  void finish(TimeNs, bool, BodySink& sink) override {
    if (!buffer_.empty()) sink.loss(LossReason::kMalformedBody, buffer_.size());
    clear_buffer(buffer_);
  }

  std::size_t memory() const override { return sizeof *this + buffer_.capacity(); }
  bool streamed() const override { return true; }

 private:
  // A message that begins at the front of the caller's chunk; returns how much was taken.
  std::size_t direct(std::string_view bytes, TimeNs ts_ns, BodySink& sink) {
    if (!is_aws_prelude(bytes)) return search(bytes, sink);
    const std::size_t total = u32(bytes, 0);
    if (total > limit_) return too_long(total, 0, sink);
    if (bytes.size() >= total) {
      message(bytes.substr(0, total), ts_ns, sink);
      return total;
    }
    buffer_.assign(bytes);
    return bytes.size();
  }

  // The front of a message (or of a prelude) is in buffer_.
  std::size_t buffered(std::string_view bytes, TimeNs ts_ns, BodySink& sink) {
    std::size_t want = kPrelude;
    if (buffer_.size() >= kPrelude) want = u32(buffer_, 0);
    const std::size_t step = std::min(want - buffer_.size(), bytes.size());
    buffer_.append(bytes.substr(0, step));
    if (buffer_.size() < want) return step;
    if (want == kPrelude) {
      if (!is_aws_prelude(buffer_)) {
        passed_over(1, sink);
        buffer_.erase(0, 1);
        return step;
      }
        const std::size_t total = u32(buffer_, 0);
      if (total > limit_) {
        too_long(total, kPrelude, sink);
        buffer_.clear();
      }
      return step;
    }
    message(buffer_, ts_ns, sink);
    clear_buffer(buffer_);
    return step;
  }

  // No prelude at the front: moves to the next place where one may be.
  std::size_t search(std::string_view bytes, BodySink& sink) {
    std::size_t at = 1;
    while (at + kPrelude <= bytes.size() && !is_aws_prelude(bytes.substr(at))) ++at;
    passed_over(at, sink);
    return at;
  }

  void passed_over(std::uint64_t bytes, BodySink& sink) {
    sink.loss(LossReason::kMalformedBody, bytes);
    after_gap_ = true;
  }

  // Drops a message that may not be held. `held` bytes of it were taken already.
  std::size_t too_long(std::size_t total, std::size_t held, BodySink& sink) {
    sink.loss(LossReason::kBodyLimit, total);
    discard_ = total - held;
    after_gap_ = true;
    return 0;
  }

  void message(std::string_view bytes, TimeNs ts_ns, BodySink& sink) {
    const std::size_t end = bytes.size() - 4;
    const std::size_t headers = u32(bytes, 4);
    Fields fields;
    if (crc(bytes.substr(0, end)) != u32(bytes, end) ||
        !read_headers(bytes.substr(kPrelude, headers), fields)) {
      sink.loss(LossReason::kMalformedBody, bytes.size());
      after_gap_ = true;
      return;
    }
    BodyEvent event;
    event.ts_ns = ts_ns;
    event.exception = fields.message_type == "exception" || fields.message_type == "error";
    event.name = !event.exception                 ? fields.event_type
                 : fields.exception_type.empty() ? fields.error_code
                                                 : fields.exception_type;
    event.data = bytes.substr(kPrelude + headers, end - kPrelude - headers);
    std::optional<std::string> inner;
    if (event.name == "chunk") inner = nested(event.data);
    if (inner) event.data = *inner;
    event.after_gap = after_gap_;
    after_gap_ = false;
    sink.event(event);
  }

  std::size_t limit_;
  std::string buffer_;         // a message (or prelude) that began in an earlier chunk
  std::uint64_t discard_ = 0;  // rest of a message over its limit
  bool after_gap_ = false;
};

}  // namespace

bool is_aws_prelude(std::string_view twelve) {
  if (twelve.size() < kPrelude) return false;
  const std::size_t total = u32(twelve, 0);
  const std::size_t headers = u32(twelve, 4);
  return total >= kMinMessage && headers <= total - kMinMessage && headers <= kMaxHeaders &&
         crc(twelve.substr(0, 8)) == u32(twelve, 8);
}

std::unique_ptr<BodyDecoder> make_aws_eventstream(const BodyLimits& limits) {
  return std::make_unique<AwsDecoder>(limits);
}

}  // namespace llmtap
