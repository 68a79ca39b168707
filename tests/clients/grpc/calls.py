# SPDX-License-Identifier: Apache-2.0
"""xAI's SDK and Google's client of the Gemini API, unmodified, over gRPC. Prints one JSON line per
call: what the SDK returned to its caller. Usage: calls.py PORT [late]
`late`: connects, waits for a line on stdin, and makes its calls on those connections."""
import asyncio
import datetime
import json
import sys
import uuid

import grpc
from google.ai import generativelanguage_v1beta as google
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
import xai_sdk
from xai_sdk.chat import image, system, text, tool, tool_result, user

PORT = sys.argv[1]
PROMPT = "say hello "
KEY = "xai-e2e-0123456789abcdefghijklmnopqrstuvwxyz"
GZIP = [("grpc.default_compression_algorithm", 2)]
WEATHER = tool("weather", "Tells the weather.",
               {"type": "object", "properties": {"city": {"type": "string"}}})


def report(sdk, kind, n, **returned):
    print(json.dumps({"sdk": sdk, "kind": kind, "nonce": n, **returned}), flush=True)


def report_xai(kind, n, response, **more):
    usage = response.usage
    report("xai-sdk", kind, n, **{
        "text": response.content, "reasoning": response.reasoning_content, "id": response.id,
        "model": response.proto.model, "finish": response.finish_reason,
        "tools": [[call.id, call.function.name, call.function.arguments]
                  for call in response.tool_calls],
        "input_tokens": usage.prompt_tokens, "cached": usage.cached_prompt_text_tokens,
        "output_tokens": usage.completion_tokens + usage.reasoning_tokens,
        "reasoning_tokens": usage.reasoning_tokens, "total": usage.total_tokens, **more})


def begin(client, n, model="grok-4", **settings):
    return client.chat.create(model=model, messages=[system("be brief"), user(PROMPT + n)],
                              temperature=0.7, max_tokens=64, **settings)


def xai_sync():
    n = uuid.uuid4().hex
    client = xai_sdk.Client(api_key=KEY, api_host=f"api.x.ai:{PORT}")
    report_xai("chat", n, begin(client, n).sample())
    n = uuid.uuid4().hex
    for response, _ in begin(client, n).stream():
        pass
    report_xai("chat stream", n, response, streamed=True)
    n = uuid.uuid4().hex
    for responses, _ in begin(client, n).stream_batch(2):
        pass
    report_xai("chat stream, two choices", n, responses[0], streamed=True, choices=2)
    n = uuid.uuid4().hex
    chat = begin(client, n, tools=[WEATHER])
    chat.append(user(text("and in"), image("https://example.com/p.png")))
    asked = chat.sample()
    report_xai("tool calls", n, asked, tool_definitions=1)
    n = uuid.uuid4().hex
    chat.append(asked)
    for call in asked.tool_calls:
        chat.append(tool_result("sunny " + n, tool_call_id=call.id))
    for response, _ in chat.stream():
        pass
    report_xai("tool results", n, response, streamed=True, tool_definitions=1)
    n = uuid.uuid4().hex
    begin(client, n).defer(interval=datetime.timedelta(milliseconds=20))
    report("xai-sdk", "deferred", n, text="", id="defer-1")
    n = uuid.uuid4().hex
    made = client.image.sample(prompt=PROMPT + n, model="grok-2-image", image_format="base64")
    report("xai-sdk", "image", n, model=made.model, text="")
    client.tokenize.tokenize_text(PROMPT, "grok-4")  # no span
    client.models.list_language_models()             # no span
    for kind, call in (("error", lambda chat: chat.sample()),
                       ("error of a stream", lambda chat: list(chat.stream()))):
        n = uuid.uuid4().hex
        try:
            call(begin(client, n, model="grok-unknown"))
        except grpc.RpcError as error:
            report("xai-sdk", kind, n, error=[error.code().name, error.details()])
    client.close()


def xai_gzip():
    n = uuid.uuid4().hex
    client = xai_sdk.Client(api_key=KEY, api_host=f"api.x.ai:{PORT}", channel_options=GZIP)
    report_xai("chat, gzip", n, begin(client, n + " and again" * 500).sample())
    client.close()


def xai_async():
    async def go():
        client = xai_sdk.AsyncClient(api_key=KEY, api_host=f"api.x.ai:{PORT}")
        several = [uuid.uuid4().hex for _ in range(8)]
        done = await asyncio.gather(*(begin(client, n).sample() for n in several))
        for n, response in zip(several, done):
            report_xai("async chat", n, response)
        n = uuid.uuid4().hex
        async for response, _ in begin(client, n).stream():
            pass
        report_xai("async chat stream", n, response, streamed=True)
        n = uuid.uuid4().hex
        async for response, chunk in begin(client, n, model="grok-endless").stream():
            break  # the caller leaves
        await client.close()
        report("xai-sdk", "cancelled", n, cancelled=True)
    asyncio.run(go())


def gemini_request(n):
    return {"model": "models/gemini-2.0-flash",
            "contents": [{"role": "user", "parts": [{"text": PROMPT + n}]}]}


def report_gemini(kind, n, pieces, **more):
    usage = pieces[-1].usage_metadata
    report("google-ai-generativelanguage", kind, n, **{
        "text": "".join(piece.candidates[0].content.parts[0].text for piece in pieces),
        "model": pieces[-1].model_version, "finish": pieces[-1].candidates[0].finish_reason.name,
        "input_tokens": usage.prompt_token_count, "cached": usage.cached_content_token_count,
        "output_tokens": usage.candidates_token_count, "total": usage.total_token_count, **more})


def gemini_options():
    return {"credentials": AnonymousCredentials(), "client_options": ClientOptions(
        api_endpoint=f"generativelanguage.googleapis.com:{PORT}")}


def gemini():
    client = google.GenerativeServiceClient(**gemini_options())
    n = uuid.uuid4().hex
    report_gemini("generate", n, [client.generate_content(gemini_request(n))])
    n = uuid.uuid4().hex
    report_gemini("stream", n, list(client.stream_generate_content(gemini_request(n))),
                  streamed=True)

    async def go():
        client = google.GenerativeServiceAsyncClient(**gemini_options())
        n = uuid.uuid4().hex
        report_gemini("async generate", n, [await client.generate_content(gemini_request(n))])
        n, pieces = uuid.uuid4().hex, []
        async for piece in await client.stream_generate_content(gemini_request(n)):
            pieces.append(piece)
        report_gemini("async stream", n, pieces, streamed=True)
    asyncio.run(go())


def late():
    client = xai_sdk.Client(api_key=KEY, api_host=f"api.x.ai:{PORT}")
    google_client = google.GenerativeServiceClient(**gemini_options())
    for first in (True, False):
        whole, stream, generate = (uuid.uuid4().hex for _ in range(3))
        response = begin(client, whole).sample()
        for streamed, _ in begin(client, stream).stream():
            pass
        pieces = list(google_client.stream_generate_content(gemini_request(generate)))
        if first:
            print("ready", flush=True)
            sys.stdin.readline()
            continue
        report_xai("late chat", whole, response)
        report_xai("late chat stream", stream, streamed, streamed=True)
        report_gemini("late stream", generate, pieces, streamed=True)


for sdk in [late] if sys.argv[2:] == ["late"] else (xai_sync, xai_gzip, xai_async, gemini):
    sdk()
