# SPDX-License-Identifier: Apache-2.0
"""xAI's and Gemini's gRPC services, with messages of their SDKs' own classes. What is answered
depends on the model. Usage: server.py ADDRESS CERT KEY; prints "ready"."""
import pathlib
import sys
import time
from concurrent import futures

import grpc
from google.ai.generativelanguage_v1beta.types import generative_service as google
from xai_sdk.proto import (chat_pb2, chat_pb2_grpc, deferred_pb2, image_pb2, image_pb2_grpc,
                           models_pb2, models_pb2_grpc, sample_pb2, tokenize_pb2,
                           tokenize_pb2_grpc, usage_pb2)

ANSWER = ["Bonjour", ", ça va", " ? 😀"]
ASSISTANT = chat_pb2.MessageRole.ROLE_ASSISTANT
STOP, TOOL_CALLS = sample_pb2.FinishReason.REASON_STOP, sample_pb2.FinishReason.REASON_TOOL_CALLS


def usage(**more):
    return usage_pb2.SamplingUsage(prompt_tokens=40, prompt_text_tokens=24,
                                   cached_prompt_text_tokens=16, **more)


def weather_calls():
    return [chat_pb2.ToolCall(id=f"call_{city}", type=1, function=chat_pb2.FunctionCall(
        name="weather", arguments=f'{{"city":"{city}"}}')) for city in ("Paris", "Oslo")]


class Chat(chat_pb2_grpc.ChatServicer):
    def whole(self, request):
        out = chat_pb2.GetChatCompletionResponse(id="cmpl-1", model=request.model + "-0709",
                                                 system_fingerprint="fp", service_tier=1)
        for index in range(request.n or 1):
            message = chat_pb2.CompletionMessage(role=ASSISTANT)
            if request.tools and request.messages[-1].role != chat_pb2.MessageRole.ROLE_TOOL:
                message.tool_calls.extend(weather_calls())
            else:
                message.content = "".join(ANSWER)
                message.reasoning_content = "They greet."
            out.outputs.append(chat_pb2.CompletionOutput(
                index=index, message=message,
                finish_reason=TOOL_CALLS if message.tool_calls else STOP))
        out.usage.CopyFrom(usage(completion_tokens=9, reasoning_tokens=30, total_tokens=79,
                                 num_sources_used=2, server_side_tools_used=[1, 1, 3],
                                 cost_in_usd_ticks=37756000))
        return out

    def refuse(self, request, context):
        if request.model == "grok-unknown":
            context.abort(grpc.StatusCode.NOT_FOUND, "no model 50% like “grok-unknown”")

    def GetCompletion(self, request, context):
        self.refuse(request, context)
        return self.whole(request)

    def GetCompletionChunk(self, request, context):
        self.refuse(request, context)
        whole = self.whole(request)
        pieces = [("They ", ""), ("greet.", "")] + [("", piece) for piece in ANSWER]
        if whole.outputs[0].message.tool_calls:
            pieces = []
        for count, (reasoning, content) in enumerate(pieces):
            chunk = chat_pb2.GetChatCompletionChunk(id=whole.id, model=whole.model)
            for output in whole.outputs:
                chunk.outputs.append(chat_pb2.CompletionOutputChunk(
                    index=output.index, delta=chat_pb2.Delta(
                        role=ASSISTANT, content=content, reasoning_content=reasoning)))
            chunk.usage.CopyFrom(usage(completion_tokens=count + 1, total_tokens=41 + count))
            yield chunk
            while request.model == "grok-endless" and context.is_active():
                time.sleep(0.05)
        last = chat_pb2.GetChatCompletionChunk(id=whole.id, model=whole.model, usage=whole.usage)
        for output in whole.outputs:
            last.outputs.append(chat_pb2.CompletionOutputChunk(
                index=output.index, finish_reason=output.finish_reason,
                delta=chat_pb2.Delta(role=ASSISTANT, tool_calls=output.message.tool_calls)))
        yield last

    def StartDeferredCompletion(self, request, context):
        self.deferred = self.whole(request)
        return deferred_pb2.StartDeferredResponse(request_id="defer-1")

    def GetDeferredCompletion(self, request, context):
        return chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.DeferredStatus.DONE,
                                                      response=self.deferred)


class Image(image_pb2_grpc.ImageServicer):
    def GenerateImage(self, request, context):
        return image_pb2.ImageResponse(model=request.model, images=[image_pb2.GeneratedImage(
            base64="data:image/jpeg;base64,/9j/4AAQ", respect_moderation=True)])


class Tokenize(tokenize_pb2_grpc.TokenizeServicer):
    def TokenizeText(self, request, context):
        return tokenize_pb2.TokenizeTextResponse(tokens=[tokenize_pb2.Token(token_id=1)])


class Models(models_pb2_grpc.ModelsServicer):
    def ListLanguageModels(self, request, context):
        return models_pb2.ListLanguageModelsResponse()


def gemini_answer(pieces, last):
    content = {"role": "model", "parts": [{"text": "".join(pieces)}]}
    out = {"candidates": [{"content": content}], "model_version": "gemini-2.0-flash-001",
           "response_id": "resp-1"}
    if last:
        out["candidates"][0]["finish_reason"] = "STOP"
        out["usage_metadata"] = {"prompt_token_count": 11, "candidates_token_count": 7,
                                 "total_token_count": 18, "cached_content_token_count": 4}
    return google.GenerateContentResponse(out)


def gemini():
    kinds = {"request_deserializer": google.GenerateContentRequest.deserialize,
             "response_serializer": google.GenerateContentResponse.serialize}
    return grpc.method_handlers_generic_handler(
        "google.ai.generativelanguage.v1beta.GenerativeService", {
            "GenerateContent": grpc.unary_unary_rpc_method_handler(
                lambda request, context: gemini_answer(ANSWER, True), **kinds),
            "StreamGenerateContent": grpc.unary_stream_rpc_method_handler(
                lambda request, context: (gemini_answer([piece], piece == ANSWER[-1])
                                          for piece in ANSWER), **kinds)})


def main(address, cert, key):
    server = grpc.server(futures.ThreadPoolExecutor(8), compression=grpc.Compression.NoCompression)
    chat_pb2_grpc.add_ChatServicer_to_server(Chat(), server)
    image_pb2_grpc.add_ImageServicer_to_server(Image(), server)
    models_pb2_grpc.add_ModelsServicer_to_server(Models(), server)
    tokenize_pb2_grpc.add_TokenizeServicer_to_server(Tokenize(), server)
    server.add_generic_rpc_handlers([gemini()])
    read = lambda path: pathlib.Path(path).read_bytes()  # noqa: E731
    server.add_secure_port(address, grpc.ssl_server_credentials([(read(key), read(cert))]))
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
