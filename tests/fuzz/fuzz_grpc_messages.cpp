// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the messages of a gRPC call to Gemini: request and answer, of both services.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/providers/registry.h"

using namespace llmtap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const char* service : {"/google.ai.generativelanguage.v1beta.GenerativeService/",
                              "/google.cloud.aiplatform.v1.PredictionService/"}) {
    RequestHead head;
    head.method = "POST";
    head.path = std::string(service) + "StreamGenerateContent";
    const Provider* provider = find_provider(head, Json{}, nullptr);
    if (provider == nullptr) std::abort();
    const auto parser = provider->make();
    CallRecord call;
    RequestBody body;
    body.bytes = input;
    parser->request(head, body, call);
    BodyEvent event;
    event.data = input;
    parser->event(event, Json{}, call);
    parser->finish(call);
  }
  return 0;
}
