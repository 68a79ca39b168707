// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/decode.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "parsers/assembly/assembler.h"
#include "userspace/cli/commands.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"
#include "userspace/sinks/record_json.h"

namespace llmtap {
namespace {

using Line = nlohmann::ordered_json;

// What the assembler says about one interaction.
class Outcome final : public RecordSink {
 public:
  void record(CallRecord&& call) override { calls.push_back(std::move(call)); }
  void management(const CallRecord& call) override { managed = call; }
  void not_llm(const ConnId&, const RequestHead&) override { other = true; }
  void loss(const ConnId&, LossReason reason, std::uint64_t) override { ++losses[reason]; }

  std::vector<CallRecord> calls;
  std::optional<CallRecord> managed;
  bool other = false;
  std::map<LossReason, int> losses;
};

// A recording has no framing of its own: both messages get a Content-Length, whatever the wire had.
bool framing_header(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" ||
         name == "upgrade" || name == "expect" || name.empty() || name.front() == ':';
}

void append_headers(const Headers& headers, std::string& out) {
  for (const auto& header : headers) {
    if (framing_header(header.name)) continue;
    out.append(header.name).append(": ");
    for (const char c : header.value) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    out += "\r\n";
  }
}

std::string framed_request(const RecordedInteraction& interaction) {
  const RequestHead& head = interaction.request;
  std::string out = head.method + ' ' + head.path + " HTTP/1.1\r\n";
  if (!find_header(head.headers, "host")) out += "host: " + head.authority + "\r\n";
  append_headers(head.headers, out);
  out += "content-length: " + std::to_string(interaction.request_body.size()) + "\r\n\r\n";
  return out + interaction.request_body;
}

std::string framed_response(const RecordedInteraction& interaction) {
  const int status = interaction.response.status;
  // Statuses without a body keep their recorded one out.
  const bool bodiless = status == 204 || status == 304 || status < 200;
  std::string out = "HTTP/1.1 " + std::to_string(status) + " -\r\n";
  append_headers(interaction.response.headers, out);
  if (bodiless) return out + "\r\n";
  out += "content-length: " + std::to_string(interaction.response_body.size()) + "\r\n\r\n";
  return out + interaction.response_body;
}

void feed(Assembler& assembler, Direction direction, std::string_view bytes, TimeNs ts_ns,
          std::size_t piece) {
  std::uint64_t offset = 0;
  while (!bytes.empty()) {
    Chunk chunk;
    chunk.conn = {1, 1, 0};
    chunk.direction = direction;
    chunk.offset = offset;
    chunk.begin_ns = chunk.end_ns = ts_ns;
    chunk.bytes = bytes.substr(0, piece == 0 ? bytes.size() : piece);
    assembler.feed(chunk);
    offset += chunk.bytes.size();
    bytes.remove_prefix(chunk.bytes.size());
  }
}

void run(const RecordedInteraction& interaction, std::size_t piece, Outcome& outcome) {
  // A recording has no times: request and response lie one second apart.
  constexpr TimeNs kRequestAt = 1'000'000'000, kResponseAt = 2'000'000'000;
  const Limits limits;
  Assembler assembler(limits, outcome);
  feed(assembler, Direction::kWrite, framed_request(interaction), kRequestAt, piece);
  feed(assembler, Direction::kRead, framed_response(interaction), kResponseAt, piece);
  assembler.finish(kResponseAt);
}

void put_losses(const Outcome& outcome, Line& line) {
  for (const auto& [reason, times] : outcome.losses) line["losses"].push_back(name(reason));
}

std::string undecodable_reason(const RecordedInteraction& interaction, const Outcome& outcome) {
  if (!interaction.defect.empty()) return interaction.defect;
  if (outcome.losses.empty()) return "no exchange in it";
  return std::string(name(outcome.losses.begin()->first));
}

// The endpoint's name, if the parser of management requests knows one.
std::string managed_reason(const CallRecord& call) {
  for (const auto& entry : call.vendor) {
    if (entry.name != "endpoint") continue;
    const auto value = Line::parse(entry.json, nullptr, false);
    if (value.is_string()) return value.get<std::string>();
  }
  return std::string(name(call.operation));
}

}  // namespace

std::string decode_line(const RecordedInteraction& interaction, const DecodeOptions& options) {
  Outcome outcome;
  if (interaction.defect.empty()) run(interaction, options.piece, outcome);
  Line line = {{"id", interaction.id}};
  if (!outcome.calls.empty()) {
    CallRecord& call = outcome.calls.front();
    if (call.id.empty()) call.id = interaction.id;
    line["outcome"] = "call";
    if (options.to == "llmobs") {
      auto events = llmobs::encode_events(call, {});
      line["event"] = std::move(events.front());
      for (std::size_t i = 1; i < events.size(); ++i) line["steps"].push_back(Line(events[i]));
    } else {
      line["call"] = record_json(call);
    }
  } else if (outcome.managed) {
    line["outcome"] = "not_llm";
    line["reason"] = managed_reason(*outcome.managed);
    line["provider"] = outcome.managed->provider;
    line["operation"] = name(outcome.managed->operation);
  } else if (outcome.other) {
    line["outcome"] = "not_llm";
    line["reason"] = "no endpoint of a known dialect";
  } else {
    line["outcome"] = "undecodable";
    line["reason"] = undecodable_reason(interaction, outcome);
  }
  put_losses(outcome, line);
  return line.dump(-1, ' ', false, Line::error_handler_t::replace);
}

int run_decode(const DecodeOptions& options, std::ostream& out, std::ostream& errors) {
  const auto print = [&](RecordedInteraction&& interaction) {
    out << decode_line(interaction, options) << '\n';
  };
  int code = 0;
  for (const auto& file : options.files) {
    const Status read =
        options.format == "har" ? read_har_file(file, print) : read_corpus_file(file, print);
    if (read.ok()) continue;
    errors << "llmtap decode: " << read.error().message << '\n';
    code = 1;
  }
  return code;
}

void add_decode(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("decode", "Read calls out of recorded interactions");
  auto options = std::make_shared<DecodeOptions>();
  command->add_option("--format", options->format, "corpus (JSON lines) or har; plain or gzip")
      ->check(CLI::IsMember({"corpus", "har"}))
      ->capture_default_str();
  command->add_option("--to", options->to, "calls, or llmobs: the span event as it is sent")
      ->check(CLI::IsMember({"calls", "llmobs"}))
      ->capture_default_str();
  command->add_option("--piece", options->piece, "Feed the bytes in pieces of this size");
  command->add_option("file", options->files, "Files to read")->required()->type_name("FILE");
  command->footer(
      "Examples:\n  llmtap decode calls.jsonl.gz | jq .call.usage\n"
      "  llmtap decode --format har --to llmobs browser.har");
  command->callback([options, &chosen] {
    chosen = [options] { return run_decode(*options, std::cout, std::cerr); };
  });
}

}  // namespace llmtap
