// Node's own HTTP/2 and signatures, as a client of APNs.
import crypto from 'node:crypto';
import http2 from 'node:http2';
import { obey } from './orders.mjs';

let session;
let goaway;

function connect({ port, ca }) {
  const fresh = http2.connect(`https://localhost:${port}`, { ca });
  session = fresh;
  goaway = new Promise((resolve) => {
    fresh.on('goaway', (code, last, data) =>
      resolve({ code, last_stream: last, data: data?.toString() ?? '' }));
  });
  return new Promise((resolve, reject) => {
    fresh.on('error', reject);
    fresh.on('remoteSettings', resolve);
  });
}

function push({ path, headers, body }) {
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  const found = { status: 0, headers: {}, body: '' };
  stream.setEncoding('utf8');
  stream.on('response', ({ ':status': status, ...others }) =>
    Object.assign(found, { status, headers: { ...others } }));
  stream.on('data', (text) => { found.body += text; });
  stream.end(body);
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('close', () => resolve(found));
  });
}

// A provider token whose signature is DER, as Apple's own sample has it, or raw, as RFC 7518 says.
function sign({ key, key_id: kid, team_id: iss, age, encoding }) {
  const iat = Math.floor(Date.now() / 1000) - age;
  const parts = [{ alg: 'ES256', kid }, { iss, iat }];
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const text = signed.join('.');
  const signature = crypto.sign('sha256', Buffer.from(text), { key, dsaEncoding: encoding });
  return `${text}.${signature.toString('base64url')}`;
}

const ping = () => new Promise((resolve, reject) => {
  session.ping(Buffer.from('schoolbl'), (error, _, payload) =>
    (error ? reject(error) : resolve(payload.toString())));
});

obey({
  connect,
  push,
  sign,
  ping,
  pushes: ({ requests }) => Promise.all(requests.map((one) => push(one).catch((error) =>
    ({ status: 0, headers: {}, body: '', error: error.message })))),
  goaway: () => goaway,
  settings: () => session.remoteSettings,
});
