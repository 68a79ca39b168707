// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the messages of a gRPC call: request and answer, of every service that is read.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "parsers/providers/registry.h"

using namespace llmtap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const char* path :
       {"/google.ai.generativelanguage.v1beta.GenerativeService/StreamGenerateContent",
        "/google.cloud.aiplatform.v1.PredictionService/StreamGenerateContent",
        "/xai_api.Chat/GetCompletion", "/xai_api.Chat/GetCompletionChunk",
        "/xai_api.Sample/SampleText", "/xai_api.Embedder/Embed", "/xai_api.Image/GenerateImage"}) {
    RequestHead head;
    head.method = "POST";
    head.path = path;
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
