// SPDX-License-Identifier: Apache-2.0
//
// Whose telemetry it is: the observed process, not this daemon. Attributes by the general resource
// conventions. What the process says of itself (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, DD_*)
// goes before what the daemon was told, that before what can be seen from outside.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "parsers/core/call_record.h"
#include "userspace/sinks/otlp/model.h"

namespace llmtap::otlp {

// What holds for every process of this machine.
struct Host {
  std::string name = {};
  std::string id = {};
  std::vector<std::pair<std::string, std::string>> attributes =
      {};  // of the daemon's configuration
};

// service.*, deployment.environment.name, host.*, os.type, telemetry.sdk.*: few values, so fit for
// metrics.
Value service_resource(const CallRecord& call, const Host& host);
// The same with container.id, k8s.* and process.*.
Value process_resource(const CallRecord& call, const Host& host);

// "key=value,key2=value2", values percent-decoded (OTEL_RESOURCE_ATTRIBUTES, and the headers of the
// exporter variables). Pieces without '=' are left out.
std::vector<std::pair<std::string, std::string>> parse_pairs(std::string_view text);

}  // namespace llmtap::otlp
