// SPDX-License-Identifier: Apache-2.0
//
// The words of the GenAI conventions: v1.41.1, the last tagged text of
// open-telemetry/semantic-conventions, and what open-telemetry/semantic-conventions-genai has made
// of it since ("latest": OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/core/call_record.h"

namespace llmtap::otlp {

enum class Conventions : std::uint8_t { k1_41, kLatest };

struct Names {
  std::string_view schema_url;
  std::string_view cache_write;  // attribute of the tokens
};
const Names& names(Conventions conventions);

// gen_ai.provider.name of the vendor's label. An unknown host gets the API that it speaks.
std::string provider_name(const CallRecord& call);

// A call to a gateway that is observed as well where it goes on to the vendor (userspace/enrich
// marks it): a workflow around the call behind it, without tokens of its own, so that none counts
// twice.
bool is_proxy_hop(const CallRecord& call);

// gen_ai.operation.name.
std::string_view operation_name(const CallRecord& call);

// error.type: the provider's code or word where it is one, else the status, else how the stream
// ended. Empty: the call did not fail. A call that the client left has not failed.
std::string error_type(const CallRecord& call);

}  // namespace llmtap::otlp
