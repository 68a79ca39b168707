// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace llmtap {
namespace {

constexpr std::array kFields = {
    FilterField{"service", FieldKind::kName, "service", 1,
                "DD_SERVICE, OTEL_SERVICE_NAME or the program"},
    FilterField{"provider", FieldKind::kName, "provider", 1, "openai, anthropic, groq, ..."},
    FilterField{"model", FieldKind::kName, "model", 1,
                "served, or requested where no answer says it"},
    FilterField{"requested", FieldKind::kName, "model_requested", 1, "model as requested"},
    FilterField{"operation", FieldKind::kName, "operation", 1, "chat, embeddings, ..."},
    FilterField{"dialect", FieldKind::kName, "dialect", 1, "openai_chat, anthropic_messages, ..."},
    FilterField{"host", FieldKind::kName, "host", 1, "where the call went"},
    FilterField{"process", FieldKind::kName, "process", 1, "name of the executable"},
    FilterField{"session", FieldKind::kName, "session", 1, "session id"},
    FilterField{"finish", FieldKind::kName, "finish", 1, "stop, length, tool_calls, ..."},
    FilterField{"error", FieldKind::kName, "error_class", 1, "rate_limit, auth, timeout, ..."},
    FilterField{"error_type", FieldKind::kName, "error_type", 1, "the vendor's word"},
    FilterField{"end", FieldKind::kName, "ended", 1,
                "complete, cancelled, truncated, gap, evicted"},
    FilterField{"status", FieldKind::kStatus, "http_status", 1, "ok, error, partial, 429, 5xx"},
    FilterField{"duration", FieldKind::kDuration, "duration_us", 1, ">2s"},
    FilterField{"ttft", FieldKind::kDuration, "ttft_us", 1, "time to first token, >500ms"},
    FilterField{"cost", FieldKind::kNumber, "cost_nano", 1e9, "USD, >=0.01"},
    FilterField{"input", FieldKind::kNumber, "input", 1, "tokens"},
    FilterField{"output", FieldKind::kNumber, "output", 1, "tokens"},
    FilterField{"cached", FieldKind::kNumber, "cache_read", 1, "tokens read from a cache"},
    FilterField{"reasoning", FieldKind::kNumber, "reasoning", 1, "tokens"},
    FilterField{"pid", FieldKind::kNumber, "pid", 1, "process id"},
    FilterField{"stream", FieldKind::kFlag, "1", 1, "true or false"},
    FilterField{"server", FieldKind::kFlag, "4", 1, "seen at the server's end"},
    FilterField{"id", FieldKind::kId, "record_id", 1, "id of the call"},
    FilterField{"response", FieldKind::kId, "response_id", 1, "the vendor's id of the answer"},
    FilterField{"request", FieldKind::kId, "request_id", 1, "the vendor's request id"},
    FilterField{"text", FieldKind::kText, "", 1, "prompts, answers, tools; also without \"text:\""},
};
constexpr const FilterField* kText = &kFields.back();

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Filter> parse() {
    Filter filter;
    for (skip_spaces(); at_ < text_.size(); skip_spaces()) {
      auto term = parse_term();
      if (!term) return term.error();
      filter.push_back(std::move(*term));
    }
    return filter;
  }

 private:
  Error fail(std::size_t at, const std::string& what) const {
    return Error{"column " + std::to_string(at + 1) + ": " + what};
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }

  Result<FilterTerm> parse_term() {
    FilterTerm term;
    term.field = kText;
    if (next_is('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ' ') {
      term.negated = true;
      ++at_;
    }
    const std::size_t begin = at_;
    if (!next_is('"')) {
      std::size_t end = at_;
      while (end < text_.size() && text_[end] != ' ' && text_[end] != ':' && text_[end] != '"')
        ++end;
      if (end < text_.size() && text_[end] == ':') {
        const auto name = text_.substr(at_, end - at_);
        term.field = find_field(name);
        if (term.field == nullptr) return unknown(begin, name);
        at_ = end + 1;
      }
    }
    if (auto status = parse_values(term); !status) return status.error();
    return term;
  }

  Status parse_values(FilterTerm& term) {
    do {
      const std::size_t begin = at_;
      FilterValue value;
      value.compare = parse_compare();
      auto text = parse_text(term.field != kText);
      if (!text) return text.error();
      value.text = std::move(*text);
      if (value.text.empty()) return fail(begin, "a value is missing");
      if (auto status = check(*term.field, value, begin); !status) return status.error();
      term.values.push_back(std::move(value));
    } while (next_is(',') && ++at_);
    return Unit{};
  }

  Compare parse_compare() {
    const bool less = next_is('<');
    if (!less && !next_is('>')) return Compare::kEqual;
    ++at_;
    const bool equal = next_is('=');
    if (equal) ++at_;
    if (less) return equal ? Compare::kLessEqual : Compare::kLess;
    return equal ? Compare::kGreaterEqual : Compare::kGreater;
  }

  // Up to a space, or a comma where values are listed; or between quotes.
  Result<std::string> parse_text(bool comma_ends) {
    if (!next_is('"')) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && text_[at_] != ' ' && !(comma_ends && text_[at_] == ',')) ++at_;
      return std::string(text_.substr(begin, at_ - begin));
    }
    const std::size_t begin = at_++;
    const auto end = text_.find('"', at_);
    if (end == std::string_view::npos) return fail(begin, "the quote is not closed");
    std::string text(text_.substr(at_, end - at_));
    at_ = end + 1;
    return text;
  }

  Status check(const FilterField& field, FilterValue& value, std::size_t at) const {
    const bool ordered = field.kind == FieldKind::kNumber || field.kind == FieldKind::kDuration;
    if (value.compare != Compare::kEqual && !ordered) {
      return fail(at, std::string(field.name) + " has no order: leave out < and >");
    }
    switch (field.kind) {
      case FieldKind::kNumber:
        return check_number(field, value, at, false);
      case FieldKind::kDuration:
        return check_number(field, value, at, true);
      case FieldKind::kFlag:
        if (value.text != "true" && value.text != "false")
          return fail(at, "expected true or false");
        return Unit{};
      case FieldKind::kStatus:
        return check_status(value, at);
      case FieldKind::kName:
      case FieldKind::kId:
      case FieldKind::kText:
        break;
    }
    return Unit{};
  }

  Status check_number(const FilterField& field, FilterValue& value, std::size_t at,
                      bool time) const {
    const char* end = value.text.data() + value.text.size();
    const auto [rest, error] = std::from_chars(value.text.data(), end, value.number);
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    double scale = field.scale;
    bool known = unit.empty() && !time;
    if (time) {
      struct TimeUnit {
        std::string_view name;
        double us;
      };
      static constexpr std::array kUnits = {TimeUnit{"us", 1}, TimeUnit{"ms", 1e3},
                                            TimeUnit{"s", 1e6}, TimeUnit{"m", 60e6},
                                            TimeUnit{"h", 3600e6}};
      for (const auto& candidate : kUnits) {
        if (unit != candidate.name) continue;
        scale = candidate.us;
        known = true;
      }
    }
    if (error != std::errc{} || !known) {
      return fail(at, time ? "expected a time such as 250ms or 2s" : "expected a number");
    }
    value.number *= scale;
    return Unit{};
  }

  Status check_status(const FilterValue& value, std::size_t at) const {
    const auto& text = value.text;
    if (text == "ok" || text == "error" || text == "partial") return Unit{};
    const bool shape =
        text.size() == 3 && text[0] >= '1' && text[0] <= '5' &&
        (text.substr(1) == "xx" || (std::isdigit(static_cast<unsigned char>(text[1])) != 0 &&
                                    std::isdigit(static_cast<unsigned char>(text[2])) != 0));
    if (!shape) return fail(at, "expected ok, error, partial, 429 or 5xx");
    return Unit{};
  }

  static const FilterField* find_field(std::string_view name) {
    const auto found =
        std::find_if(kFields.begin(), kFields.end(),
                     [name](const FilterField& field) { return field.name == name; });
    return found == kFields.end() ? nullptr : &*found;
  }

  Error unknown(std::size_t at, std::string_view name) const {
    std::string known;
    for (const auto& field : kFields) known += (known.empty() ? "" : " ") + std::string(field.name);
    return fail(at, "unknown field '" + std::string(name) + "'; fields: " + known);
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::span<const FilterField> filter_fields() { return kFields; }

Result<Filter> parse_filter(std::string_view text) { return Parser(text).parse(); }

}  // namespace llmtap
