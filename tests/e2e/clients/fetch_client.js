// SPDX-License-Identifier: Apache-2.0
// node's global fetch. Jobs as JSON lines on stdin, parallelism in argv[2].
const parallel = Number(process.argv[2]);
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1e6);

async function call(job) {
  const start = now();
  const scheme = job.plain ? 'http' : 'https';
  const response = await fetch(`${scheme}://${job.host}:${job.port}${job.path}`,
    { method: 'POST', headers: job.headers, body: job.body });
  const decoder = new TextDecoder();
  let first = null;
  let received = '';
  for await (const piece of response.body) {
    received += decoder.decode(piece, { stream: true });
    if (first === null && received.includes(job.content_mark)) first = now();
  }
  console.log(JSON.stringify({ nonce: job.nonce, status: response.status, start_ns: start,
    first_ns: first, end_ns: now(), received }));
}

async function worker(queue) {
  for (let job; (job = queue.shift());) await call(job);
}

const queue = require('fs').readFileSync(0, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
Promise.all(Array.from({ length: parallel }, () => worker(queue)));
