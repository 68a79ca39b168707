// SPDX-License-Identifier: Apache-2.0
//
// Which plaintext sockets are worth a look: by port, and by who listens. What they carry is judged
// later, by its bytes, like any other connection.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace llmtap {

// Where model servers and gateways listen unless told otherwise.
std::vector<std::uint16_t> default_plain_ports();

// A command line (arguments separated by NUL or space) that serves a model: its ports are of
// interest, whichever they are.
bool is_model_server(std::string_view command_line);

}  // namespace llmtap
