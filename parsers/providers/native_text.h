// SPDX-License-Identifier: Apache-2.0
//
// Native shapes of hosted models (Bedrock InvokeModel, SageMaker): every family has its own keys,
// told apart by the body because a model id may be an ARN that says nothing.
//
//   Titan     inputText                  results[].outputText; stream outputText
//   Llama     prompt                     generation, prompt_token_count, generation_token_count
//   Claude 2  prompt                     completion
//   Cohere    prompt | message           generations[].text; stream text, index
//   Mistral   prompt                     outputs[].text
//   AI21 J2   prompt                     completions[].data.text
//   DeepSeek  prompt                     choices[].text
//   HF        inputs                     [{generated_text}]
//   images    textToImageParams, text_prompts, prompt    images[], artifacts[].base64
//   embed     inputText | texts | singleEmbeddingParams  embedding, embeddings
//   rerank    query, documents           results[].relevance_score
#pragma once

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"
#include "parsers/providers/provider.h"

namespace llmtap {

// Fills operation, parameters, input and documents. `model` decides only where the body cannot.
void read_native_request(const Json& body, std::string_view model, CallRecord& call);

// A whole answer or one piece of a stream, appended.
void read_native_answer(const Json& body, TimeNs ts_ns, CallRecord& call);

}  // namespace llmtap
