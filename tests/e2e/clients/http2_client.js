// SPDX-License-Identifier: Apache-2.0
// node's http2 module: all jobs multiplexed on one session, argv[2] streams at a time.
const http2 = require('http2');
const parallel = Number(process.argv[2]);
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1e6);

function call(session, job) {
  return new Promise((resolve, reject) => {
    const start = now();
    let first = null;
    let received = '';
    let status = 0;
    const stream = session.request({ ...job.headers, ':method': 'POST', ':path': job.path,
      ':authority': job.host });
    stream.setEncoding('utf8');
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('data', (piece) => {
      received += piece;
      if (first === null && received.includes(job.content_mark)) first = now();
    });
    stream.on('end', () => {
      console.log(JSON.stringify({ nonce: job.nonce, status, start_ns: start, first_ns: first,
        end_ns: now(), received }));
      resolve();
    });
    stream.on('error', reject);
    stream.end(job.body);
  });
}

const queue = require('fs').readFileSync(0, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
const session = http2.connect(`https://${queue[0].host}:${queue[0].port}`);
async function worker() {
  for (let job; (job = queue.shift());) await call(session, job);
}
Promise.all(Array.from({ length: parallel }, worker)).then(() => session.close());
