// SPDX-License-Identifier: Apache-2.0
// The vendors' own node SDKs, unmodified. Prints one JSON line per call: what the SDK returned to
// its caller. Usage: calls.mjs [SDK...]
import { randomBytes } from 'node:crypto';

const PROMPT = 'say hello ';
const nonce = () => randomBytes(16).toString('hex');
const messages = (n) => [{ role: 'user', content: PROMPT + n }];
const report = (sdk, kind, n, text, model, input_tokens, output_tokens) => console.log(
  JSON.stringify({ sdk, kind, nonce: n, text, model, input_tokens, output_tokens }));

const SDKS = {
  async openai() {
    const { default: OpenAI } = await import('openai');
    const client = new OpenAI({ apiKey: 'sk-e2e-0123456789abcdefghijklmnop', maxRetries: 0 });
    let n = nonce();
    const whole = await client.chat.completions.create({ model: 'gpt-3.5-turbo', messages: messages(n) });
    report('openai', 'chat', n, whole.choices[0].message.content, whole.model,
      whole.usage.prompt_tokens, whole.usage.completion_tokens);
    n = nonce();
    let text = '';
    const stream = await client.chat.completions.create(
      { model: 'gpt-3.5-turbo', messages: messages(n), stream: true });
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    report('openai', 'chat stream', n, text);
    n = nonce();
    const response = await client.responses.create({ model: 'gpt-4o', input: PROMPT + n });
    report('openai', 'responses', n, response.output_text, response.model,
      response.usage.input_tokens, response.usage.output_tokens);
    n = nonce();
    let final;
    for await (const event of await client.responses.create(
      { model: 'gpt-4o', input: PROMPT + n, stream: true })) {
      if (event.type === 'response.completed') final = event.response;
    }
    report('openai', 'responses stream', n, final.output.flatMap((item) => item.content ?? [])
      .map((part) => part.text ?? '').join(''), final.model, final.usage.input_tokens,
      final.usage.output_tokens);
  },
  async anthropic() {
    const { default: Anthropic } = await import('@anthropic-ai/sdk');
    const client = new Anthropic({ apiKey: 'sk-ant-e2e-0123456789abcdefghijkl', maxRetries: 0 });
    const model = 'claude-3-opus-20240229';
    let n = nonce();
    const whole = await client.messages.create({ model, max_tokens: 64, messages: messages(n) });
    report('anthropic', 'messages', n, whole.content[0].text, model, whole.usage.input_tokens,
      whole.usage.output_tokens);
    n = nonce();
    const final = await client.messages.stream({ model, max_tokens: 64, messages: messages(n) })
      .finalMessage();
    report('anthropic', 'messages stream', n, final.content[0].text, model,
      final.usage.input_tokens, final.usage.output_tokens);
  },
  async google() {
    const { GoogleGenAI } = await import('@google/genai');
    const client = new GoogleGenAI({ apiKey: 'AIzaE2E0123456789abcdefghijklmnopqrstuv' });
    let n = nonce();
    const whole = await client.models.generateContent({ model: 'gemini-2.5-flash', contents: PROMPT + n });
    report('google-genai', 'generateContent', n, whole.text, undefined,
      whole.usageMetadata.promptTokenCount);
    n = nonce();
    let text = '';
    const stream = await client.models.generateContentStream(
      { model: 'gemini-2.0-flash-exp', contents: PROMPT + n });
    for await (const chunk of stream) text += chunk.text ?? '';
    report('google-genai', 'generateContent stream', n, text);
  },
  async bedrock() {
    const { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand,
      InvokeModelWithResponseStreamCommand } = await import('@aws-sdk/client-bedrock-runtime');
    const client = new BedrockRuntimeClient({ region: 'us-east-1',
      credentials: { accessKeyId: 'AKIAE2E', secretAccessKey: 'e2e' } });
    let n = nonce();
    let modelId = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
    const content = (m) => [{ role: 'user', content: [{ text: PROMPT + m }] }];
    const whole = await client.send(new ConverseCommand({ modelId, messages: content(n) }));
    report('aws-sdk', 'converse', n,
      whole.output.message.content.map((block) => block.text ?? '').join(''), modelId,
      whole.usage.inputTokens, whole.usage.outputTokens);
    n = nonce();
    modelId = 'amazon.titan-text-lite-v1';
    let text = '';
    const stream = await client.send(new ConverseStreamCommand({ modelId, messages: content(n) }));
    for await (const event of stream.stream) text += event.contentBlockDelta?.delta?.text ?? '';
    report('aws-sdk', 'converse stream', n, text, modelId);
    const body = (m) => JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 64,
      messages: messages(m) });
    const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
    n = nonce();
    modelId = 'anthropic.claude-3-5-sonnet-20240620-v1:0';
    const invoked = await client.send(new InvokeModelCommand({ modelId, body: body(n) }));
    report('aws-sdk', 'invoke', n, decode(invoked.body).content[0].text, modelId);
    n = nonce();
    modelId = 'anthropic.claude-3-sonnet-20240229-v1:0';
    text = '';
    const pieces = await client.send(
      new InvokeModelWithResponseStreamCommand({ modelId, body: body(n) }));
    for await (const event of pieces.body) text += decode(event.chunk.bytes).delta?.text ?? '';
    report('aws-sdk', 'invoke stream', n, text, modelId);
  },
  async ai() {
    const { generateText, streamText } = await import('ai');
    const { createOpenAI } = await import('@ai-sdk/openai');
    const openai = createOpenAI({ apiKey: 'sk-e2e-0123456789abcdefghijklmnop' });
    let n = nonce();
    const whole = await generateText({ model: openai.chat('gpt-3.5-turbo'), prompt: PROMPT + n, maxRetries: 0 });
    report('ai', 'generateText', n, whole.text, undefined, whole.usage.inputTokens,
      whole.usage.outputTokens);
    n = nonce();
    let text = '';
    const streamed = streamText({ model: openai.chat('gpt-3.5-turbo'), prompt: PROMPT + n, maxRetries: 0 });
    for await (const piece of streamed.textStream) text += piece;
    report('ai', 'streamText', n, text);
  },
};

for (const [name, sdk] of Object.entries(SDKS)) {
  if (process.argv.length > 2 && !process.argv.includes(name)) continue;
  try {
    await sdk();
  } catch (error) { // one broken SDK must not hide the others
    console.log(JSON.stringify({ sdk: name, failed: String(error) }));
  }
}
