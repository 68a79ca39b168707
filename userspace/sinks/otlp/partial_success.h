// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "userspace/sinks/delivery.h"

namespace llmtap::otlp {

// Export*ServiceResponse in either encoding: some back ends answer JSON to protobuf. What cannot be
// read says nothing.
PartialSuccess read_partial_success(const std::string& body);

}  // namespace llmtap::otlp
