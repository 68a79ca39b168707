// SPDX-License-Identifier: Apache-2.0
//
// What all OpenAI-shaped spans share: names and providers follow from the base URL's spelling, as
// in the SDK (datadog-llmobs 5.1).
#pragma once

#include <string>

#include "parsers/core/call_record.h"
#include "userspace/sinks/llmobs/shape.h"

namespace llmtap::llmobs {

std::string openai_name(const CallRecord& call);      // "AzureOpenAI.createChatCompletion"
std::string openai_model(const CallRecord& call);     // response, request, "unknown_model"
std::string openai_provider(const CallRecord& call);  // azure_openai, openai, deepseek, unknown

// Message text of an OpenAI message: parts joined by '\n', media as "[image]", "[audio]", others as
// "[<type>]".
std::string openai_text(const Message& message);

}  // namespace llmtap::llmobs
