// SPDX-License-Identifier: Apache-2.0
// node's https module (http for jobs in plaintext), keep-alive agent. Jobs as JSON lines on stdin,
// parallelism in argv[2].
const http = require('http');
const https = require('https');
const parallel = Number(process.argv[2]);
const options = { keepAlive: true, maxSockets: parallel };
const agents = [new https.Agent(options), new http.Agent(options)];
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1e6);

function call(job) {
  return new Promise((resolve, reject) => {
    const start = now();
    let first = null;
    let received = '';
    const request = (job.plain ? http : https).request(
      { host: job.host, port: job.port, path: job.path, method: 'POST',
        agent: agents[job.plain ? 1 : 0],
        headers: { ...job.headers, 'content-length': Buffer.byteLength(job.body) } },
      (response) => {
        response.setEncoding('utf8');
        response.on('data', (piece) => {
          received += piece;
          if (first === null && received.includes(job.content_mark)) first = now();
        });
        response.on('end', () => {
          console.log(JSON.stringify({ nonce: job.nonce, status: response.statusCode,
            start_ns: start, first_ns: first, end_ns: now(), received }));
          resolve();
        });
        response.on('error', reject);
      });
    request.on('error', reject);
    request.end(job.body);
  });
}

async function worker(queue) {
  for (let job; (job = queue.shift());) await call(job);
}

const queue = require('fs').readFileSync(0, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
Promise.all(Array.from({ length: parallel }, () => worker(queue)))
  .then(() => agents.forEach((agent) => agent.destroy()));
