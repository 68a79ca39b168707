// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/redact.h"

#include <nlohmann/json.hpp>

#include "userspace/enrich/personal_patterns.h"
#include "userspace/enrich/secret_patterns.h"
#include "userspace/enrich/user_patterns.h"

namespace llmtap {
namespace {

// Calls `visit(std::string&, TextKind)` for each text of a record that some sink shows.
template <class Visit>
void each_text(CallRecord& call, Visit visit) {
  for (auto* messages : {&call.input, &call.output}) {
    for (auto& message : *messages) {
      for (auto& part : message.parts) {
        visit(part.text, TextKind::kText);
        visit(part.arguments, TextKind::kJson);
        visit(part.reference, TextKind::kText);
        visit(part.raw, TextKind::kJson);
      }
    }
  }
  for (auto& tool : call.tools) {
    visit(tool.description, TextKind::kText);
    visit(tool.schema, TextKind::kJson);
  }
  for (auto& document : call.documents) visit(document, TextKind::kText);
  for (auto* params : {&call.params, &call.vendor}) {
    for (auto& param : *params) visit(param.json, TextKind::kJson);
  }
  if (call.error) {
    visit(call.error->message, TextKind::kText);
    visit(call.error->body, TextKind::kJson);
  }
  visit(call.path, TextKind::kText);
  visit(call.session_id, TextKind::kText);
  visit(call.user_id, TextKind::kText);
  for (auto* headers : {&call.request_headers, &call.response_headers}) {
    headers->rewrite_values(
        [&](std::string_view, std::string& value) { visit(value, TextKind::kText); });
  }
  for (auto& argument : call.process.command_line) visit(argument, TextKind::kText);
  for (auto& variable : call.process.environment) visit(variable.second, TextKind::kText);
}

// Copies a text with masks in the place of finds.
class Masker {
 public:
  // What is called JSON may be any text: models break arguments, gateways answer in HTML.
  Masker(const std::string& text, TextKind kind)
      : text_(text),
        json_(kind == TextKind::kJson && !text.empty() &&
              std::string_view("{[\"").find(text[0]) != std::string_view::npos) {}

  void mask(std::size_t begin, std::size_t length, std::string_view kind) {
    const bool bare = json_ && !in_string(begin);
    out_.append(text_, copied_, begin - copied_);
    if (bare) out_ += '"';
    out_ += "[REDACTED:";
    out_ += kind;
    out_ += ']';
    if (bare) out_ += '"';
    copied_ = begin + length;
    ++finds_;
  }
  std::size_t finish(std::string& text) {
    if (finds_ == 0) return 0;
    out_.append(text_, copied_);
    text = std::move(out_);
    return finds_;
  }

 private:
  // Between the quotes of a JSON string? Reads each byte once over all calls.
  bool in_string(std::size_t at) {
    for (; read_ < at; ++read_) {
      if (text_[read_] == '\\' && inside_) {
        ++read_;
      } else if (text_[read_] == '"') {
        inside_ = !inside_;
      }
    }
    return inside_;
  }

  const std::string& text_;
  const bool json_;
  std::string out_;
  std::size_t copied_ = 0;
  std::size_t finds_ = 0;
  std::size_t read_ = 0;
  bool inside_ = false;
};

std::size_t apply_patterns(std::string& text, const UserPatterns& patterns, TextKind kind) {
  std::string masked = text;
  const auto finds = patterns.apply(masked);
  if (finds == 0) return 0;
  if (kind == TextKind::kJson && nlohmann::json::accept(text) && !nlohmann::json::accept(masked))
    masked = "\"[REDACTED:pattern]\"";
  text = std::move(masked);
  return finds;
}

}  // namespace

std::size_t redact_text(std::string& text, const RedactOptions& options, TextKind kind) {
  Masker masker(text, kind);
  for (std::size_t at = 0; at < text.size();) {
    Find find = find_secret(text, at);
    if (find.length == 0 && options.personal) find = find_personal(text, at);
    if (find.length == 0) {
      ++at;
      continue;
    }
    masker.mask(at + find.skip, find.length, find.kind);
    at += find.skip + find.length;
  }
  auto finds = masker.finish(text);
  if (options.patterns != nullptr && !options.patterns->empty())
    finds += apply_patterns(text, *options.patterns, kind);
  return finds;
}

std::size_t redact(CallRecord& call, const RedactOptions& options) {
  std::size_t finds = 0;
  each_text(call,
            [&](std::string& text, TextKind kind) { finds += redact_text(text, options, kind); });
  return finds;
}

void drop_content(CallRecord& call) {
  for (auto* messages : {&call.input, &call.output}) {
    for (auto& message : *messages) {
      for (auto& part : message.parts) {
        part.text.clear();
        part.arguments.clear();
        part.reference.clear();
        part.raw.clear();
      }
    }
  }
  for (auto& tool : call.tools) {
    tool.description.clear();
    tool.schema.clear();
  }
  call.documents.clear();
  // What only says how the call is to be counted and priced stays.
  std::erase_if(call.vendor, [](const Param& param) {
    return param.name != "proxy_hop" && param.name != "service_tier";
  });
  if (call.error) {
    call.error->message.clear();  // vendors quote the prompt in it
    call.error->body.clear();
  }
  call.process.command_line.clear();
}

}  // namespace llmtap
