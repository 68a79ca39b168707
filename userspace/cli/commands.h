// SPDX-License-Identifier: Apache-2.0
//
// The subcommands. Each adds itself to the parser; the one that the user chose ends up in `chosen`,
// which main() runs: it returns the exit code. Errors are one line on stderr. Help fits 80 columns.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace llmtap {

using Chosen = std::function<int()>;

void add_run(CLI::App& app, Chosen& chosen);
void add_calls(CLI::App& app, Chosen& chosen);
void add_tail(CLI::App& app, Chosen& chosen);
void add_usage(CLI::App& app, Chosen& chosen);
void add_doctor(CLI::App& app, Chosen& chosen);
void add_decode(CLI::App& app, Chosen& chosen);
void add_eval(CLI::App& app, Chosen& chosen);
void add_record(CLI::App& app, Chosen& chosen);
void add_replay(CLI::App& app, Chosen& chosen);
// `completion` and `manual`; last, as they describe all others.
void add_self_description(CLI::App& app, Chosen& chosen);

// Of this program: "0.1.0".
const char* version();

// Prints the error and gives the exit code for it.
int fail(const std::string& message);

}  // namespace llmtap
