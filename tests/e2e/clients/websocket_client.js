// SPDX-License-Identifier: Apache-2.0
// undici's WebSocket (what newer nodes have built in), or node http2 with an extended CONNECT: OpenAI
// Responses, each job as one response.create on one socket.
// Usage: websocket_client.js http1|http2 [QUERY] PARALLEL
'use strict';
const crypto = require('crypto');
const http2 = require('http2');

const [transport, ...rest] = process.argv.slice(2);
const query = rest.length > 1 ? `?${rest[0]}` : '';
const jobs = require('fs').readFileSync(0, 'utf8').trim().split('\n').map((l) => JSON.parse(l));

// Sends the jobs one by one; `send` takes a text, the result takes the server's.
function conversation(send, close) {
  let current = -1;
  const next = () => {
    if (++current === jobs.length) return close();
    send(JSON.stringify({ type: 'response.create', model: 'gpt-4o',
      input: JSON.parse(jobs[current].body).messages }));
  };
  return { start: next, take(text) {
    const event = JSON.parse(text);
    if (event.type !== 'response.completed') return;
    console.log(JSON.stringify({ nonce: jobs[current].nonce, usage: event.response.usage }));
    next();
  } };
}

function overHttp1() {
  const { WebSocket } = require('undici');
  const socket = new WebSocket(`wss://${jobs[0].host}:${jobs[0].port}/v1/responses${query}`);
  const talk = conversation((text) => socket.send(text), () => socket.close());
  socket.onopen = talk.start;
  socket.onmessage = (message) => talk.take(message.data);
  socket.onerror = () => process.exit(1);
}

function masked(text) {
  const data = Buffer.from(text);
  const mask = crypto.randomBytes(4);
  const head = data.length < 126 ? Buffer.from([0x81, 0x80 | data.length])
    : Buffer.from([0x81, 0x80 | 126, data.length >> 8, data.length & 255]);
  for (let i = 0; i < data.length; i++) data[i] ^= mask[i % 4];
  return Buffer.concat([head, mask, data]);
}

// The server's frames: not masked, not compressed.
function overHttp2() {
  const session = http2.connect(`https://${jobs[0].host}:${jobs[0].port}`);
  session.on('remoteSettings', () => {
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket',
      ':scheme': 'https', ':path': `/v1/responses${query}`, ':authority': jobs[0].host,
      'sec-websocket-version': '13' });
    const talk = conversation((text) => stream.write(masked(text)), () => session.close());
    let buffer = Buffer.alloc(0);
    stream.on('response', talk.start);
    stream.on('error', () => process.exit(1));
    stream.on('data', (data) => {
      buffer = Buffer.concat([buffer, data]);
      for (;;) {
        if (buffer.length < 4) return;
        const small = buffer[1] < 126;
        const at = small ? 2 : buffer[1] === 126 ? 4 : 10;
        if (buffer.length < at) return;
        const size = small ? buffer[1] : at === 4 ? buffer.readUInt16BE(2) : buffer.readUInt32BE(6);
        if (buffer.length < at + size) return;
        const text = buffer.subarray(at, at + size).toString();
        buffer = buffer.subarray(at + size);
        talk.take(text);
        if (session.closed) return stream.close();
      }
    });
  });
}

(transport === 'http2' ? overHttp2 : overHttp1)();
