# SPDX-License-Identifier: Apache-2.0
"""The vendors' own Python SDKs, unmodified, one call each kind. Prints one JSON line per call: what
the SDK returned to its caller. Usage: calls.py [SDK...]
"""
import asyncio
import json
import sys
import uuid

PROMPT = "say hello "


def report(sdk, kind, nonce, text, model=None, input_tokens=None, output_tokens=None):
    print(json.dumps({"sdk": sdk, "kind": kind, "nonce": nonce, "text": text, "model": model,
                      "input_tokens": input_tokens, "output_tokens": output_tokens}), flush=True)


def nonce():
    return uuid.uuid4().hex


def messages(n):
    return [{"role": "user", "content": PROMPT + n}]


def openai_sync():
    import openai
    client = openai.OpenAI(api_key="sk-e2e-0123456789abcdefghijklmnop", max_retries=0)
    n = nonce()
    r = client.chat.completions.create(model="gpt-3.5-turbo", messages=messages(n))
    report("openai", "chat", n, r.choices[0].message.content, r.model, r.usage.prompt_tokens,
           r.usage.completion_tokens)
    n, text = nonce(), ""
    for chunk in client.chat.completions.create(model="gpt-3.5-turbo", messages=messages(n),
                                                stream=True):
        text += (chunk.choices and chunk.choices[0].delta.content) or ""
    report("openai", "chat stream", n, text)
    n = nonce()
    r = client.responses.create(model="gpt-4o", input=PROMPT + n)
    report("openai", "responses", n, r.output_text, r.model, r.usage.input_tokens,
           r.usage.output_tokens)
    n, final = nonce(), None
    for event in client.responses.create(model="gpt-4o", input=PROMPT + n, stream=True):
        if event.type == "response.completed":
            final = event.response
    report("openai", "responses stream", n, final.output_text, final.model,
           final.usage.input_tokens, final.usage.output_tokens)
    n = nonce()
    r = client.embeddings.create(model="text-embedding-3-small", input=PROMPT + n)
    report("openai", "embeddings", n, None, r.model, r.usage.prompt_tokens)


def openai_async():
    import openai

    async def go():
        client = openai.AsyncOpenAI(api_key="sk-e2e-0123456789abcdefghijklmnop", max_retries=0)
        n = nonce()
        r = await client.chat.completions.create(model="gpt-3.5-turbo", messages=messages(n))
        report("openai", "async chat", n, r.choices[0].message.content, r.model,
               r.usage.prompt_tokens, r.usage.completion_tokens)
        n, text = nonce(), ""
        stream = await client.chat.completions.create(model="gpt-3.5-turbo", messages=messages(n),
                                                      stream=True)
        async for chunk in stream:
            text += (chunk.choices and chunk.choices[0].delta.content) or ""
        report("openai", "async chat stream", n, text)
        n = nonce()
        r = await client.responses.create(model="gpt-4o", input=PROMPT + n)
        report("openai", "async responses", n, r.output_text, r.model, r.usage.input_tokens,
               r.usage.output_tokens)
        await client.close()
    asyncio.run(go())


def anthropic_sync():
    import anthropic
    client = anthropic.Anthropic(api_key="sk-ant-e2e-0123456789abcdefghijkl", max_retries=0)
    n = nonce()
    r = client.messages.create(model="claude-3-opus-20240229", max_tokens=64, messages=messages(n))
    usage = r.usage
    report("anthropic", "messages", n, r.content[0].text, "claude-3-opus-20240229",
           usage.input_tokens, usage.output_tokens)
    n = nonce()
    with client.messages.stream(model="claude-3-opus-20240229", max_tokens=64,
                                messages=messages(n)) as stream:
        final = stream.get_final_message()
    report("anthropic", "messages stream", n, final.content[0].text, "claude-3-opus-20240229",
           final.usage.input_tokens, final.usage.output_tokens)


def anthropic_async():
    import anthropic

    async def go():
        client = anthropic.AsyncAnthropic(api_key="sk-ant-e2e-0123456789abcdefghijkl",
                                          max_retries=0)
        n = nonce()
        r = await client.messages.create(model="claude-3-opus-20240229", max_tokens=64,
                                         messages=messages(n))
        report("anthropic", "async messages", n, r.content[0].text, "claude-3-opus-20240229",
               r.usage.input_tokens, r.usage.output_tokens)
        n = nonce()
        async with client.messages.stream(model="claude-3-opus-20240229", max_tokens=64,
                                          messages=messages(n)) as stream:
            final = await stream.get_final_message()
        report("anthropic", "async messages stream", n, final.content[0].text,
               "claude-3-opus-20240229", final.usage.input_tokens, final.usage.output_tokens)
        await client.close()
    asyncio.run(go())


def google_genai():
    from google import genai
    client = genai.Client(api_key="AIzaE2E0123456789abcdefghijklmnopqrstuv")
    n = nonce()
    r = client.models.generate_content(model="gemini-2.5-flash", contents=PROMPT + n)
    report("google-genai", "generate_content", n, r.text, None, r.usage_metadata.prompt_token_count)
    n, text = nonce(), ""
    for chunk in client.models.generate_content_stream(model="gemini-2.0-flash-exp",
                                                       contents=PROMPT + n):
        text += chunk.text or ""
    report("google-genai", "generate_content stream", n, text)

    async def go():
        models = client.aio.models
        n = nonce()
        r = await models.generate_content(model="gemini-2.5-flash", contents=PROMPT + n)
        report("google-genai", "async generate_content", n, r.text, None,
               r.usage_metadata.prompt_token_count)
        n, text = nonce(), ""
        async for chunk in await models.generate_content_stream(model="gemini-2.0-flash-exp",
                                                                contents=PROMPT + n):
            text += chunk.text or ""
        report("google-genai", "async generate_content stream", n, text)
    asyncio.run(go())


def boto3():
    import boto3 as sdk
    client = sdk.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="AKIAE2E",
                        aws_secret_access_key="e2e")
    n = nonce()
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    request = [{"role": "user", "content": [{"text": PROMPT + n}]}]
    r = client.converse(modelId=model, messages=request)
    text = "".join(b.get("text", "") for b in r["output"]["message"]["content"])
    report("boto3", "converse", n, text, model, r["usage"]["inputTokens"],
           r["usage"]["outputTokens"])
    n, text, usage = nonce(), "", {}
    request = [{"role": "user", "content": [{"text": PROMPT + n}]}]
    for event in client.converse_stream(modelId="amazon.titan-text-lite-v1",
                                        messages=request)["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        usage = event.get("metadata", {}).get("usage", usage)
    report("boto3", "converse stream", n, text, "amazon.titan-text-lite-v1",
           usage.get("inputTokens"), usage.get("outputTokens"))
    n = nonce()
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64,
                       "messages": messages(n)})
    model = "anthropic.claude-3-5-sonnet-20240620-v1:0"
    r = json.loads(client.invoke_model(modelId=model, body=body)["body"].read())
    report("boto3", "invoke_model", n, r["content"][0]["text"], model)
    n, text, usage = nonce(), "", {}
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64,
                       "messages": messages(n)})
    model = "anthropic.claude-3-sonnet-20240229-v1:0"
    stream = client.invoke_model_with_response_stream(modelId=model, body=body)["body"]
    for event in stream:
        chunk = json.loads(event["chunk"]["bytes"])
        text += chunk.get("delta", {}).get("text", "")
        usage = chunk.get("amazon-bedrock-invocationMetrics", usage)
    report("boto3", "invoke_model stream", n, text, model, usage.get("inputTokenCount"),
           usage.get("outputTokenCount"))


def cohere():
    import cohere as sdk
    client = sdk.ClientV2(api_key="co-e2e-0123456789")
    n = nonce()
    r = client.chat(model="command-r", messages=messages(n))
    text = "".join(getattr(b, "text", "") or "" for b in (r.message.content or []))
    report("cohere", "chat", n, text)
    n, text = nonce(), ""
    for event in client.chat_stream(model="command-r", messages=messages(n)):
        if event.type == "content-delta":
            text += event.delta.message.content.text or ""
    report("cohere", "chat stream", n, text)

    async def go():
        client = sdk.AsyncClientV2(api_key="co-e2e-0123456789")
        n = nonce()
        r = await client.chat(model="command-r", messages=messages(n))
        text = "".join(getattr(b, "text", "") or "" for b in (r.message.content or []))
        report("cohere", "async chat", n, text)
        n, text = nonce(), ""
        async for event in client.chat_stream(model="command-r", messages=messages(n)):
            if event.type == "content-delta":
                text += event.delta.message.content.text or ""
        report("cohere", "async chat stream", n, text)
    asyncio.run(go())


def mistralai():
    try:
        from mistralai import Mistral
    except ImportError:
        from mistralai.client import Mistral
    client = Mistral(api_key="mistral-e2e-0123456789")
    n = nonce()
    r = client.chat.complete(model="mistral-small-latest", messages=messages(n))
    report("mistralai", "chat", n, r.choices[0].message.content, r.model, r.usage.prompt_tokens,
           r.usage.completion_tokens)
    n, text = nonce(), ""
    for event in client.chat.stream(model="mistral-small-latest", messages=messages(n)):
        text += event.data.choices[0].delta.content or ""
    report("mistralai", "chat stream", n, text)

    async def go():
        n = nonce()
        r = await client.chat.complete_async(model="mistral-small-latest", messages=messages(n))
        report("mistralai", "async chat", n, r.choices[0].message.content, r.model,
               r.usage.prompt_tokens, r.usage.completion_tokens)
        n, text = nonce(), ""
        async for event in await client.chat.stream_async(model="mistral-small-latest",
                                                          messages=messages(n)):
            text += event.data.choices[0].delta.content or ""
        report("mistralai", "async chat stream", n, text)
    asyncio.run(go())


def litellm():
    import litellm as sdk
    n = nonce()
    r = sdk.completion(model="openai/gpt-3.5-turbo", messages=messages(n), num_retries=0,
                       api_key="sk-e2e-0123456789abcdefghijklmnop")
    report("litellm", "completion openai", n, r.choices[0].message.content)
    n = nonce()
    r = sdk.completion(model="anthropic/claude-3-opus-20240229", messages=messages(n),
                       num_retries=0, api_key="sk-ant-e2e-0123456789abcdefghijkl")
    report("litellm", "completion anthropic", n, r.choices[0].message.content)
    key = "sk-e2e-0123456789abcdefghijklmnop"
    n, text = nonce(), ""
    for chunk in sdk.completion(model="openai/gpt-3.5-turbo", messages=messages(n), stream=True,
                                num_retries=0, api_key=key):
        text += chunk.choices[0].delta.content or ""
    report("litellm", "completion stream", n, text)

    async def go():
        n = nonce()
        r = await sdk.acompletion(model="openai/gpt-3.5-turbo", messages=messages(n),
                                  num_retries=0, api_key=key)
        report("litellm", "acompletion", n, r.choices[0].message.content)
        n, text = nonce(), ""
        async for chunk in await sdk.acompletion(model="openai/gpt-3.5-turbo", stream=True,
                                                 messages=messages(n), num_retries=0,
                                                 api_key=key):
            text += chunk.choices[0].delta.content or ""
        report("litellm", "acompletion stream", n, text)
    asyncio.run(go())


def ollama():
    import ollama as sdk
    client = sdk.Client(host="https://ollama.example.internal")
    n = nonce()
    r = client.chat(model="gemma3:1b", messages=messages(n))
    report("ollama", "chat", n, r.message.content)
    n, text = nonce(), ""
    for part in client.chat(model="llama3.2", messages=messages(n), stream=True):
        text += part.message.content or ""
    report("ollama", "chat stream", n, text)

    async def go():
        client = sdk.AsyncClient(host="https://ollama.example.internal")
        n = nonce()
        r = await client.chat(model="gemma3:1b", messages=messages(n))
        report("ollama", "async chat", n, r.message.content)
        n, text = nonce(), ""
        async for part in await client.chat(model="llama3.2", messages=messages(n), stream=True):
            text += part.message.content or ""
        report("ollama", "async chat stream", n, text)
    asyncio.run(go())


SDKS = [openai_sync, openai_async, anthropic_sync, anthropic_async, google_genai, boto3, cohere,
        mistralai, litellm, ollama]

if __name__ == "__main__":
    for sdk in SDKS:
        if not sys.argv[1:] or sdk.__name__ in sys.argv[1:]:
            try:
                sdk()
            except Exception as error:  # one broken SDK must not hide the others
                print(json.dumps({"sdk": sdk.__name__, "failed": f"{type(error).__name__}: {error}"}),
                      flush=True)
