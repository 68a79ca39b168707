// SPDX-License-Identifier: Apache-2.0
//
// `record` and `replay`: the raw chunk stream to a file and back.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "userspace/app/config.h"
#include "userspace/app/kernel_capture.h"
#include "userspace/app/pipeline.h"
#include "userspace/base/log.h"
#include "userspace/capture/plain_ports.h"
#include "userspace/capture/recording.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/observed_command.h"
#include "userspace/cli/stop_signal.h"
#include "userspace/sinks/line_writer.h"
#include "userspace/sinks/llmobs/llmobs_encode.h"
#include "userspace/sinks/record_json.h"

namespace llmtap {
namespace {

struct RecordOptions {
  std::string file;
  std::vector<std::string> command;
};

struct ReplayOptions {
  std::string file;
  std::string to = "table";
};

int record(const RecordOptions& options) {
  std::unique_ptr<ObservedCommand> command;
  if (!options.command.empty()) {
    auto held = ObservedCommand::fork_held(options.command);
    if (!held) return fail(held.error().message);
    command = std::make_unique<ObservedCommand>(std::move(*held));
  }
  const auto& signalled = stop_on_signals();
  CaptureOptions capturing;
  capturing.targets_only = command != nullptr;
  capturing.plain = PlainOptions{default_plain_ports()};
  capturing.busy.calls_per_second = 0;
  auto capture = KernelCapture::start(capturing);
  if (!capture) return fail(capture.error().message);
  KernelCapture& kernel = **capture;
  auto recording = RecordingSource::create(options.file, kernel.source());
  if (!recording) return fail(recording.error().message);
  if (command != nullptr) kernel.prepare(options.command.front());
  kernel.wait_until_settled();
  log_info(kernel.describe() + "; recording plaintext, with credentials, into " + options.file);
  if (command) {
    if (auto status = kernel.source().add_target(command->pid()); !status)
      return fail(status.error().message);
    if (auto status = command->release(); !status)
      return fail(options.command.front() + ": " + status.error().message);
  }
  const auto ignore = [](const Chunk&) {};
  bool last = false;
  while (!last) {
    last = signalled || (command && command->ended());
    auto polled = (*recording)->poll(std::chrono::milliseconds{last ? 0 : 100}, ignore);
    if (!polled) return fail(polled.error().message);
  }
  log_info(std::to_string((*recording)->bytes()) + " bytes recorded");
  return command ? command->ended().value_or(0) : 0;
}

std::unique_ptr<Sink> replay_sink(const std::string& to) {
  std::unique_ptr<RecordWriter> writer;
  if (to == "table") {
    writer = make_terminal_writer();
  } else {
    FormatLine format = [](const CallRecord& call) -> std::optional<std::string> {
      return record_json(call).dump(-1, ' ', false,
                                    nlohmann::ordered_json::error_handler_t::replace);
    };
    if (to == "llmobs") {
      format = [](const CallRecord& call) -> std::optional<std::string> {
        std::string lines;
        for (const auto& event : llmobs::encode_events(call, {})) {
          if (!lines.empty()) lines += '\n';
          lines += llmobs::event_json(event);
        }
        return lines;
      };
    }
    writer = std::move(open_line_writer("replay", "-", std::move(format)).value());
  }
  constexpr std::size_t kQueued = std::size_t{1}
                                  << 20;  // a file is read faster than lines are written
  return std::make_unique<QueuedSink>(std::move(writer), kQueued);
}

int replay(const ReplayOptions& options) {
  auto source = ReplaySource::open(options.file);
  if (!source) return fail(source.error().message);
  Destinations destinations;
  destinations.add(replay_sink(options.to));
  Pipeline pipeline(Config{}, destinations, {});
  const auto status = pipeline.run(**source, stop_on_signals(), std::chrono::seconds{60});
  return status ? 0 : fail(options.file + ": " + status.error().message);
}

}  // namespace

void add_record(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<RecordOptions>();
  auto* sub = app.add_subcommand("record", "Write the raw chunk stream to a file");
  sub->add_option("file", options->file, "New file; will hold plaintext with credentials")
      ->required()
      ->type_name("FILE");
  sub->add_option("command", options->command, "Observe only this command and its descendants")
      ->type_name("-- CMD");
  sub->footer(
      "Examples:\n  llmtap record bug.rec -- python3 app.py\n  llmtap replay bug.rec --to calls");
  sub->callback([options, &chosen] { chosen = [options] { return record(*options); }; });
}

void add_replay(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<ReplayOptions>();
  auto* sub = app.add_subcommand("replay", "Decode what `record` wrote");
  sub->add_option("file", options->file, "A recording")->required()->type_name("FILE");
  sub->add_option("--to", options->to, "table; calls: whole records; llmobs: span events")
      ->check(CLI::IsMember({"table", "calls", "llmobs"}))
      ->capture_default_str();
  sub->footer("Example:\n  llmtap replay bug.rec --to calls | jq .error");
  sub->callback([options, &chosen] { chosen = [options] { return replay(*options); }; });
}

}  // namespace llmtap
