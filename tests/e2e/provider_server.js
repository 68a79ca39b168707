#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// A TLS server that plays recorded provider answers (recordings/*.json) to unmodified clients, over
// HTTP/1.1, HTTP/2 (ALPN) and WebSocket. The provider's cloud is the one part that cannot exist
// here; everything else in the tests is real. A client may choose in request headers:
//
//   x-play: openai_stream   recordings/openai_stream.json (default: by host, path and "stream")
//   x-first-delay-ms: 20    pause before the first byte of the body
//   x-delay-ms: 5           pause after each piece of a stream
//   x-cut-after: 3          drop the connection (or reset the stream) after that many pieces
//   x-encode: gzip          content-encode a body that is not streamed
//   x-canary: TEXT          stands for @@CANARY@@ in the recording; its halves for @@CANARY/1@@, /2
//
// Streams go out one event per write, hence per TLS record, as providers send them.
// Usage: provider_server.js --port 443 [--cert cert.pem --key key.pem] [--host 127.0.0.1] [--log FILE]
// The log has one JSON line per request: host, path, bytes and what was played (null: no LLM call);
// of a WebSocket message also its frames, and whether either side may or did compress.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const path = require('path');
const zlib = require('zlib');

// What is played when the client names nothing: host contains, path contains, answer, stream.
const DEFAULTS = [
  ['mistral', '/chat/completions', 'mistral_json', 'mistral_stream'],
  ['', '/chat/completions', 'openai_json', 'openai_stream'],
  ['', '/v1/messages', 'anthropic_json', 'anthropic_stream'],
  ['', '/responses', 'responses_json', 'responses_stream'],
  ['', '/embeddings', 'embeddings_json', null],
  ['', ':generateContent', 'gemini_json', null],
  ['', ':streamGenerateContent', null, 'gemini_stream'],
  ['', '/converse-stream', null, 'bedrock_converse_stream'],
  ['', '/converse', 'bedrock_converse', null],
  ['bedrock', '/invoke-with-response-stream', null, 'bedrock_invoke_stream'],
  ['bedrock', '/invoke', 'bedrock_invoke', null],
  ['cohere', '/v2/chat', 'cohere_json', 'cohere_stream'],
  ['', '/api/chat', 'ollama_json', 'ollama_stream'],
];
const STREAMS = ['event-stream', 'eventstream', 'ndjson', 'stream+json'];
// Of a recording's headers, those that HTTP/2 forbids.
const HOP_HEADERS = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade'];

const recordings = new Map();
function load(name) {
  if (!recordings.has(name)) {
    const file = path.join(__dirname, 'recordings', `${path.basename(name)}.json`);
    const recording = JSON.parse(fs.readFileSync(file, 'utf8'));
    recording.bytes = recording.body_b64 ? Buffer.from(recording.body_b64, 'base64')
      : Buffer.from(recording.body);
    recordings.set(name, recording);
  }
  return recordings.get(name);
}

// A recording with the request's canary in it.
function withCanary(recording, canary) {
  if (!canary || !recording.body || !recording.body.includes('@@CANARY')) return recording;
  const half = canary.length >> 1;
  const put = (text) => text.replaceAll('@@CANARY@@', canary)
    .replaceAll('@@CANARY/1@@', canary.slice(0, half)).replaceAll('@@CANARY/2@@', canary.slice(half));
  const body = put(recording.body);
  return { ...recording, headers: recording.headers.map(([name, value]) => [name, put(value)]), body,
    bytes: Buffer.from(body) };
}

// A recorded stream cut where the provider cut it: AWS frames, SSE events, JSON lines.
function pieces(recording) {
  if (recording.body_b64) {
    const frames = [];
    for (let rest = recording.bytes; rest.length;) {
      frames.push(rest.subarray(0, rest.readUInt32BE(0)));
      rest = rest.subarray(rest.readUInt32BE(0));
    }
    return frames;
  }
  const separator = recording.body.includes('data:') ? /(?<=\n\r?\n)/ : /(?<=\n)/;
  return recording.body.split(separator);
}

function choose(request, body) {
  if (request.headers['x-play']) return request.headers['x-play'];
  const host = request.headers.host || request.headers[':authority'] || '';
  const row = DEFAULTS.find((r) => host.includes(r[0]) && request.url.includes(r[1]));
  if (!row) return null;
  const [, place, whole, stream] = row;
  if (!whole) return stream;
  if (!stream) return whole;
  const wanted = JSON.parse(body).stream;
  return (wanted === undefined ? place === '/api/chat' : wanted) ? stream : whole;
}

function log(request, bytes, played, more = {}) {
  if (!options.log) return;
  const host = request.headers.host || request.headers[':authority'];
  fs.appendFileSync(options.log,
    JSON.stringify({ host, path: request.url, bytes, played, ...more }) + '\n');
}

const pause = (request, header) => {
  const delay = Number(request.headers[header] || 0);
  return delay ? new Promise((resolve) => setTimeout(resolve, delay)) : null;
};

async function play(recording, request, response) {
  response.statusCode = recording.status;
  let type = '';
  for (const [name, value] of recording.headers) {
    if (HOP_HEADERS.includes(name.toLowerCase())) continue;
    if (name.toLowerCase() === 'content-type') type = value;
    response.setHeader(name, value);
  }
  if (!STREAMS.some((stream) => type.includes(stream))) {
    let body = recording.bytes;
    if (request.headers['x-encode'] === 'gzip') {
      body = zlib.gzipSync(body);
      response.setHeader('content-encoding', 'gzip');
    }
    response.setHeader('content-length', body.length);
    await pause(request, 'x-first-delay-ms');
    response.end(body);
    return;
  }
  if (response.flushHeaders) response.flushHeaders();
  await pause(request, 'x-first-delay-ms');
  let left = Number(request.headers['x-cut-after'] || 0);
  for (const piece of pieces(recording)) {
    response.write(piece);
    if (left && --left === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (response.stream) response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else request.socket.destroy();
      return;
    }
    await pause(request, 'x-delay-ms');
  }
  response.end();
}

function serve(request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts);
    const name = request.method === 'POST' ? choose(request, body) : null;
    log(request, body.length, name);
    if (name) {
      play(withCanary(load(name), request.headers['x-canary']), request, response);
    } else { // telemetry, pages: not LLM traffic
      const page = request.method === 'POST' ? '{}' : '<html>hello</html>';
      response.setHeader('content-length', page.length);
      response.end(page);
    }
  });
  request.on('error', () => {});
  response.on('error', () => {});
}

// RFC 6455, as much as a peer needs to be one: text frames out, masked frames in.
function frame(opcode, payload, packed) {
  const data = Buffer.from(payload);
  const size = data.length < 126 ? Buffer.from([data.length])
    : data.length < 65536 ? Buffer.from([126, data.length >> 8, data.length & 255])
      : Buffer.concat([Buffer.from([127, 0, 0, 0, 0]), Buffer.alloc(4)]);
  if (data.length >= 65536) size.writeUInt32BE(data.length, 5);
  return Buffer.concat([Buffer.from([0x80 | (packed ? 0x40 : 0) | opcode]), size, data]);
}

function unframe(buffer) { // [opcode, payload, rest, packed, last] or null
  if (buffer.length < 2) return null;
  let size = buffer[1] & 127;
  let at = 2;
  if (size === 126) { if (buffer.length < 4) return null; size = buffer.readUInt16BE(2); at = 4; }
  if (size === 127) { if (buffer.length < 10) return null; size = buffer.readUInt32BE(6); at = 10; }
  if (buffer.length < at + 4 + size) return null;
  const mask = buffer.subarray(at, at + 4);
  const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + size));
  for (let i = 0; i < size; i++) payload[i] ^= mask[i % 4];
  return [buffer[0] & 15, payload, buffer.subarray(at + 4 + size), (buffer[0] & 0x40) !== 0,
    (buffer[0] & 0x80) !== 0];
}

// permessage-deflate (RFC 7692) if the path has ?deflate=context (both sides keep theirs) or =none.
// A context is the last 32 KiB of text, which zlib takes as a dictionary.
class Deflate {
  constructor(request) {
    const asked = /[?&]deflate=(context|none)/.exec(request.url);
    const offered = /permessage-deflate/.test(request.headers['sec-websocket-extensions'] || '');
    this.on = Boolean(asked && offered);
    this.keeps = this.on && asked[1] === 'context';
    this.header = !this.on ? null : this.keeps ? 'permessage-deflate'
      : 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
    this.texts = { pack: Buffer.alloc(0), unpack: Buffer.alloc(0) };
  }

  run(which, input, transform) {
    const before = this.texts[which];
    const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
    if (before.length) options.dictionary = before;
    const output = transform(input, options);
    const text = which === 'pack' ? input : output;
    if (this.keeps) this.texts[which] = Buffer.concat([before, text]).subarray(-32768);
    return output;
  }

  pack(text) { return this.run('pack', Buffer.from(text), zlib.deflateRawSync).subarray(0, -4); }

  unpack(bytes) {
    return this.run('unpack', Buffer.concat([bytes, Buffer.from([0, 0, 255, 255])]),
      zlib.inflateRawSync);
  }
}

// Each response.create gets the events of a recorded Responses stream as text frames.
function talk(request, socket, head, deflate) {
  let buffer = head;
  let frames = []; // of the message so far; control frames may come between them
  const take = (data) => {
    buffer = Buffer.concat([buffer, data]);
    for (let got; (got = unframe(buffer));) {
      buffer = got[2];
      if (got[0] === 8) socket.end(frame(8, ''));
      if (got[0] >= 8) continue;
      frames.push(got);
      if (!got[4]) continue;
      const bytes = Buffer.concat(frames.map((one) => one[1]));
      const packed = frames[0][3];
      const message = JSON.parse(packed ? deflate.unpack(bytes) : bytes);
      const seen = { frames: frames.length, packed, deflate: deflate.on };
      frames = [];
      if (message.type !== 'response.create') continue;
      log(request, bytes.length, message.generate === false ? null : 'responses_stream', seen);
      for (const event of pieces(load('responses_stream'))) {
        const data = event.slice(event.indexOf('data: ') + 6).trim();
        if (!data.startsWith('{')) continue;
        socket.write(deflate.on ? frame(1, deflate.pack(data), true) : frame(1, data));
      }
    }
  };
  socket.on('data', take);
  socket.on('error', () => {});
  take(Buffer.alloc(0));
}

function upgrade(request, socket, head) {
  const accept = crypto.createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
    .digest('base64');
  const deflate = new Deflate(request);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    (deflate.header ? `Sec-WebSocket-Extensions: ${deflate.header}\r\n` : '') +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  talk(request, socket, head, deflate);
}

// RFC 8441: the same on an HTTP/2 stream.
function extendedConnect(request, response) {
  const deflate = new Deflate(request);
  request.stream.respond({ ':status': 200,
    ...(deflate.header ? { 'sec-websocket-extensions': deflate.header } : {}) });
  talk(request, request.stream, Buffer.alloc(0), deflate);
}

const options = {};
for (let i = 2; i < process.argv.length; i += 2) options[process.argv[i].slice(2)] = process.argv[i + 1];
const server = options.cert
  ? http2.createSecureServer({ allowHTTP1: true, cert: fs.readFileSync(options.cert),
    key: fs.readFileSync(options.key), settings: { enableConnectProtocol: true } }, serve)
  : http.createServer(serve);
server.on('connection', (socket) => socket.setNoDelay(true));
server.on('upgrade', upgrade);
server.on('connect', extendedConnect);
server.on('error', (error) => { console.error(error.message); process.exit(1); });
server.listen(Number(options.port), options.host || '127.0.0.1', 4096, () => console.log('ready'));
