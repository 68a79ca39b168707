// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/redact.h"

#include "userspace/enrich/secret_patterns.h"

namespace llmtap {
namespace {

// Calls `visit(std::string&)` for each text of a record that some sink shows.
template <class Visit>
void each_text(CallRecord& call, Visit visit) {
  for (auto* messages : {&call.input, &call.output}) {
    for (auto& message : *messages) {
      for (auto& part : message.parts) {
        visit(part.text);
        visit(part.arguments);
        visit(part.reference);
        visit(part.raw);
      }
    }
  }
  for (auto& tool : call.tools) {
    visit(tool.description);
    visit(tool.schema);
  }
  for (auto& document : call.documents) visit(document);
  for (auto* params : {&call.params, &call.vendor}) {
    for (auto& param : *params) visit(param.json);
  }
  if (call.error) {
    visit(call.error->message);
    visit(call.error->body);
  }
  visit(call.path);
  visit(call.session_id);
  visit(call.user_id);
  for (auto* headers : {&call.request_headers, &call.response_headers}) {
    for (auto& header : *headers) visit(header.value);
  }
  for (auto& argument : call.process.command_line) visit(argument);
  for (auto& variable : call.process.environment) visit(variable.second);
}

}  // namespace

std::size_t redact_text(std::string& text, const RedactOptions& options) {
  std::string out;
  std::size_t copied = 0;
  std::size_t finds = 0;
  for (std::size_t at = 0; at < text.size();) {
    Find find = find_secret(text, at);
    if (find.length == 0 && options.personal) find = find_personal(text, at);
    if (find.length == 0) {
      ++at;
      continue;
    }
    out.append(text, copied, at + find.skip - copied);
    out += "[REDACTED:";
    out += find.kind;
    out += ']';
    at += find.skip + find.length;
    copied = at;
    ++finds;
  }
  if (finds == 0) return 0;
  out.append(text, copied);
  text = std::move(out);
  return finds;
}

std::size_t redact(CallRecord& call, const RedactOptions& options) {
  std::size_t finds = 0;
  each_text(call, [&](std::string& text) { finds += redact_text(text, options); });
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
  call.vendor.clear();
  if (call.error) {
    call.error->message.clear();  // vendors quote the prompt in it
    call.error->body.clear();
  }
  call.process.command_line.clear();
}

}  // namespace llmtap
