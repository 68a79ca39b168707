// SPDX-License-Identifier: Apache-2.0
#include "parsers/wire/http1_head.h"

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace llmtap {

namespace {

constexpr std::size_t kMaxMethod = 24;
constexpr std::string_view kVersionPrefix = "HTTP/1.";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_method_char(char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// RFC 9110 5.6.2 tchar.
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kToken = make_token_table();

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool equal_fold(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// Takes one line off `text`, without its line end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// Takes a field with its continuation lines (obs-fold, 5.2): one space stands for each line break.
std::string_view take_field(std::string_view& text, std::string& folded) {
  const std::string_view line = take_line(text);
  if (line.empty() || text.empty() || !is_blank(text.front())) return line;
  folded = line;
  while (!text.empty() && is_blank(text.front())) folded.append(" ").append(trim(take_line(text)));
  return folded;
}

// Is `text` the whole of, or the beginning of, `pattern`? '0' in the pattern stands for a digit.
bool agrees(std::string_view text, std::string_view pattern) {
  for (std::size_t i = 0; i < text.size() && i < pattern.size(); ++i) {
    if (pattern[i] == '0' ? !is_digit(text[i]) : text[i] != pattern[i]) return false;
  }
  return true;
}

// HTTP-version SP status-code [SP reason]
StartLine classify_status_line(std::string_view text) {
  constexpr std::string_view kPattern = "HTTP/1.0 000";
  if (!agrees(text, kPattern)) return StartLine::kNo;
  if (text.size() <= kPattern.size()) return StartLine::kMaybe;
  const char next = text[kPattern.size()];
  return next == ' ' || next == '\r' || next == '\n' ? StartLine::kResponse : StartLine::kNo;
}

// method SP request-target SP HTTP-version CRLF
StartLine classify_request_line(std::string_view text) {
  std::size_t method = 0;
  while (method < text.size() && is_method_char(text[method])) ++method;
  if (method > kMaxMethod) return StartLine::kNo;
  if (method == text.size()) return StartLine::kMaybe;
  if (method == 0 || text[method] != ' ') return StartLine::kNo;
  const std::string_view rest = text.substr(method + 1);
  const std::size_t target = rest.find_first_of(" \r\n");
  if (target == std::string_view::npos) return StartLine::kMaybe;
  if (target == 0 || rest[target] != ' ') return StartLine::kNo;
  const std::string_view version = rest.substr(target + 1);
  if (!agrees(version, "HTTP/1.0")) return StartLine::kNo;
  if (version.size() <= 8) return StartLine::kMaybe;
  if (version[8] == '\n') return StartLine::kRequest;
  if (version[8] != '\r') return StartLine::kNo;
  if (version.size() == 9) return StartLine::kMaybe;
  return version[9] == '\n' ? StartLine::kRequest : StartLine::kNo;
}

bool frames_the_body(std::string_view name) {
  return equal_fold(name, "content-length") || equal_fold(name, "transfer-encoding") ||
         equal_fold(name, "host") || equal_fold(name, "upgrade") ||
         equal_fold(name, "content-encoding");
}

// True if nothing had to be dropped.
bool parse_fields(std::string_view text, Headers& headers) {
  bool all = true;
  std::size_t count = 0;
  std::string folded;
  headers.reserve(text.size() + text.size() / 8);  // a field packed is a little longer
  while (!text.empty()) {
    const std::string_view line = take_field(text, folded);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || is_blank(line.front())) continue;
    const std::string_view name = trim(line.substr(0, colon));
    if (++count > kMaxHttp1Headers && !frames_the_body(name)) {
      all = false;
      continue;
    }
    headers.add(name, trim(line.substr(colon + 1)));
  }
  return all;
}

// RFC 9112 3.2: origin, absolute, authority and asterisk form.
void read_target(std::string_view target, RequestHead& head) {
  const auto host = find_header(head.headers, "host");
  if (head.method == "CONNECT") {
    head.authority = target;
    return;
  }
  const std::size_t scheme = target.find("://");
  if (target.front() == '/' || scheme == std::string_view::npos) {
    head.authority = host.value_or(std::string_view{});
    head.path = target;
    return;
  }
  target.remove_prefix(scheme + 3);
  const std::size_t path = target.find_first_of("/?");
  head.authority = target.substr(0, path);
  head.path = path == std::string_view::npos ? std::string("/") : std::string(target.substr(path));
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c) || value > std::numeric_limits<std::uint64_t>::max() / 16) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// Calls `use` with each element of the lists of all headers `name`.
template <class F>
void for_each_element(const Headers& headers, std::string_view name, F use) {
  for (const auto& header : headers) {
    if (header.name != name) continue;
    std::string_view rest = header.value;
    for (;;) {
      const std::size_t comma = rest.find(',');
      use(trim(rest.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
}

// RFC 9112 6.3 points 3 to 5, without the cases where the status or method forbids a body.
BodyFraming declared_framing(const Headers& headers, BodyFraming::Kind otherwise) {
  std::string_view coding;
  for_each_element(headers, "transfer-encoding", [&](std::string_view element) {
    if (!element.empty()) coding = element;
  });
  if (equal_fold(coding, "chunked")) return {BodyFraming::Kind::kChunked, 0};
  if (!coding.empty() && !equal_fold(coding, "identity")) {
    return {otherwise == BodyFraming::Kind::kNone ? BodyFraming::Kind::kBroken
                                                  : BodyFraming::Kind::kUntilClose,
            0};
  }
  bool any = false;
  bool broken = false;
  std::uint64_t length = 0;
  for_each_element(headers, "content-length", [&](std::string_view element) {
    const auto value = parse_length(element);
    if (!value || (any && *value != length)) broken = true;
    length = value.value_or(0);
    any = true;
  });
  if (broken) return {BodyFraming::Kind::kBroken, 0};
  if (any) return {BodyFraming::Kind::kSized, length};
  return {otherwise, 0};
}

}  // namespace

StartLine classify_start_line(std::string_view text) {
  if (text.empty()) return StartLine::kMaybe;
  const StartLine status = classify_status_line(text);
  if (status == StartLine::kResponse) return status;
  const StartLine request = classify_request_line(text);
  return request == StartLine::kNo ? status : request;
}

bool is_field_line(std::string_view line) {
  if (!line.empty() && is_blank(line.front())) return true;
  std::size_t i = 0;
  while (i < line.size() && kToken[static_cast<unsigned char>(line[i])]) ++i;
  if (i == 0) return false;
  while (i < line.size() && is_blank(line[i])) ++i;
  return i < line.size() && line[i] == ':';
}

bool parse_request_head(std::string_view text, RequestHead& head) {
  if (classify_request_line(text) != StartLine::kRequest) return false;
  const std::string_view line = take_line(text);
  const std::size_t method = line.find(' ');
  const std::size_t version = line.rfind(' ');
  head.protocol = Protocol::kHttp1;
  head.method = line.substr(0, method);
  if (!parse_fields(text, head.headers)) head.partial = true;
  read_target(line.substr(method + 1, version - method - 1), head);
  return true;
}

bool parse_response_head(std::string_view text, ResponseHead& head) {
  if (classify_status_line(text) != StartLine::kResponse) return false;
  const std::string_view line = take_line(text);
  const std::string_view status = line.substr(kVersionPrefix.size() + 2, 3);
  head.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  if (!parse_fields(text, head.headers)) head.partial = true;
  return true;
}

void parse_trailers(std::string_view text, Headers& trailers) { parse_fields(text, trailers); }

BodyFraming request_framing(const Headers& headers) {
  return declared_framing(headers, BodyFraming::Kind::kNone);
}

BodyFraming response_framing(int status, const Headers& headers) {
  if (status < 200 || status == 204 || status == 304) return {BodyFraming::Kind::kNone, 0};
  return declared_framing(headers, BodyFraming::Kind::kUntilClose);
}

bool has_token(const Headers& headers, std::string_view name, std::string_view token) {
  bool found = false;
  for_each_element(headers, name, [&](std::string_view element) {
    found = found || equal_fold(element, token);
  });
  return found;
}

}  // namespace llmtap
