// Answers every push at once and looks at nothing: APNs, FCM and its token endpoint over HTTP/2, and
// FCM over HTTP/1.1. Usage: node sink.mjs FOLDER (with key.pem and cert.pem); prints its ports and its
// process id.
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';

const [folder] = process.argv.slice(2);
const pem = (name) => fs.readFileSync(`${folder}/${name}.pem`);
const identity = { key: pem('key'), cert: pem('cert') };
const json = { 'content-type': 'application/json' };
const sent = '{"name":"projects/sink/messages/1"}';
const token = '{"access_token":"sink","expires_in":3599,"token_type":"Bearer"}';

const settings = { maxConcurrentStreams: 10_000, initialWindowSize: 2 ** 20 };
const h2 = http2.createSecureServer({ ...identity, settings, maxSessionMemory: 1000 });

function answer(stream, headers) {
  if (headers[':path'].startsWith('/3/device/')) {
    stream.respond({ ':status': 200, 'apns-id': headers['apns-id'] }, { endStream: true });
  } else {
    stream.respond({ ':status': 200, ...json });
    stream.end(headers[':path'] === '/token' ? token : sent);
  }
}

h2.on('stream', (stream, headers) => {
  // A sender that ends its run resets what it still waits for.
  stream.on('error', () => {});
  stream.resume().on('end', () => stream.destroyed || answer(stream, headers));
});
const h1 = https.createServer({ ...identity, keepAlive: true }, (request, response) => {
  request.resume();
  response.writeHead(200, json).end(sent);
});

h2.listen(0, '127.0.0.1', () => h1.listen(0, '127.0.0.1', () => {
  const ports = { h2: h2.address().port, h1: h1.address().port };
  console.log(JSON.stringify({ ...ports, pid: process.pid }));
}));
process.stdin.on('end', () => process.exit()).resume();
