// SPDX-License-Identifier: Apache-2.0
#include "parsers/providers/common.h"

#include <algorithm>

namespace llmtap {
namespace {

constexpr std::size_t kMaxSegments = 32;
constexpr std::size_t kShortText = 256;  // shorter strings are never taken for media

bool is_base64_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '-' || c == '_' || c == '=';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string size_mark(std::uint64_t bytes) { return "[" + std::to_string(bytes) + " bytes]"; }

// "data:<type>[;params];base64,<data>" → {type, data}.
struct DataUrl {
  std::string_view media_type;
  std::string_view data;
};

std::optional<DataUrl> data_url(std::string_view url) {
  if (!url.starts_with("data:")) return std::nullopt;
  const auto comma = url.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const std::string_view head = url.substr(5, comma - 5);
  return DataUrl{head.substr(0, head.find(';')), url.substr(comma + 1)};
}

// A signed link is a key to the object: its query goes, the rest still names it.
std::string_view without_signature(std::string_view url) {
  const auto query = url.find('?');
  if (query == std::string_view::npos) return url;
  for (const std::string_view mark : {"sig=", "ignature=", "token=", "Token=", "key=", "Key="}) {
    if (url.find(mark, query) != std::string_view::npos) return url.substr(0, query);
  }
  return url;
}

// Members that carry inline media in some dialect.
bool media_key(std::string_view key) {
  return key == "data" || key == "b64_json" || key == "file_data" || key == "bytes" ||
         key == "image" || key == "images" || key == "audio" || key == "result" ||
         key == "partial_image_b64";
}

void write(const Json& value, std::string_view key, std::string& out) {
  if (value.is_object()) {
    out += '{';
    bool first = true;
    for (const auto [name, member] : value.members()) {
      if (!first) out += ',';
      first = false;
      out += quote_json(name);
      out += ':';
      write(member, name, out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const auto element : value.elements()) {
      if (!first) out += ',';
      first = false;
      write(element, key, out);
    }
    out += ']';
  } else if (const auto text = value.string()) {
    if (const auto url = data_url(*text); url && text->size() > kShortText) {
      out += quote_json("data:" + std::string(url->media_type) + "," +
                        size_mark(base64_size(url->data)));
    } else if (media_key(key) && looks_base64(*text)) {
      out += quote_json(size_mark(base64_size(*text)));
    } else {
      out += quote_json(*text);
    }
  } else {
    out += value.dump();
  }
}

}  // namespace

std::string_view bare_path(std::string_view path) {
  path = path.substr(0, path.find('?'));
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

bool path_ends(std::string_view path, std::string_view suffix) {
  return bare_path(path).ends_with(suffix);
}

std::vector<std::string_view> path_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  path = bare_path(path);
  while (!path.empty() && segments.size() < kMaxSegments) {
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    if (!segment.empty()) segments.push_back(segment);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

void read_params(const Json& body, std::span<const std::string_view> names, CallRecord& call) {
  for (const auto [key, value] : body.members()) {
    if (std::find(names.begin(), names.end(), key) == names.end()) continue;
    add_param(call, key, dump_without_media(value));
  }
}

void add_param(CallRecord& call, std::string_view name, std::string json) {
  call.params.push_back({std::string(name), std::move(json)});
}

std::uint64_t base64_size(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  return text.size() * 3 / 4;
}

bool looks_base64(std::string_view text) {
  if (text.size() <= kShortText) return false;
  return std::all_of(text.begin(), text.end(), is_base64_char);
}

Part media_from_url(PartKind kind, std::string_view wire_type, std::string_view url) {
  Part part;
  part.kind = kind;
  part.wire_type = wire_type;
  if (const auto data = data_url(url)) {
    part.media_type = data->media_type;
    part.bytes = base64_size(data->data);
  } else {
    part.reference = without_signature(url);
  }
  return part;
}

Part media_from_base64(PartKind kind, std::string_view wire_type, std::string_view media_type,
                       std::string_view base64) {
  Part part;
  part.kind = kind;
  part.wire_type = wire_type;
  part.media_type = media_type;
  part.bytes = base64_size(base64);
  return part;
}

std::string dump_without_media(const Json& block) {
  std::string out;
  if (block.exists()) write(block, {}, out);
  return out;
}

Part text_part(std::string_view wire_type, std::string_view text) {
  Part part;
  part.wire_type = wire_type;
  part.text = text;
  return part;
}

Message& answer(CallRecord& call) {
  if (call.output.empty()) {
    call.output.emplace_back();
    call.output.back().role = "assistant";
  }
  return call.output.front();
}

std::string& answer_text(CallRecord& call) {
  Message& message = answer(call);
  if (message.parts.empty()) message.parts.push_back(text_part("text", ""));
  return message.parts.front().text;
}

void note_service_tier(std::string_view tier, CallRecord& call) {
  if (tier.empty()) return;
  const auto same = [](const Param& param) { return param.name == "service_tier"; };
  const auto known = std::find_if(call.vendor.begin(), call.vendor.end(), same);
  if (known == call.vendor.end()) {
    call.vendor.push_back({"service_tier", quote_json(tier)});
  } else if (known->json.compare(1, tier.size(), tier) != 0) {  // streams repeat it
    known->json = quote_json(tier);
  }
}

void append_text(Message& message, PartKind kind, std::string_view text) {
  if (text.empty()) return;
  if (message.parts.empty() || message.parts.back().kind != kind) {
    message.parts.push_back(text_part(kind == PartKind::kText ? "text" : "thinking", ""));
    message.parts.back().kind = kind;
  }
  message.parts.back().text += text;
}

}  // namespace llmtap
