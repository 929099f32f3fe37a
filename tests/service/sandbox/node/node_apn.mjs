// @parse/node-apn, from the folder it is installed in, as a client of APNs; its clock may be moved.
import { createRequire } from 'node:module';
import { obey } from './orders.mjs';

const apn = createRequire(process.argv[2])('@parse/node-apn');
const now = Date.now;
let provider;

function plain({ device, status, response, error, ...ids }) {
  const id = ids['apns-id'] ?? '';
  return { device, status: Number(status ?? 0), response, error: error?.message ?? '', id };
}

obey({
  connect: ({ port, ca, ...token }) => {
    const limits = { requestTimeout: 60_000 };
    provider = new apn.Provider({ token, address: 'localhost', port, ca: [ca], ...limits });
  },
  send: async ({ devices, ...notification }) => {
    const { sent, failed } = await provider.send(new apn.Notification(notification), devices);
    return { sent: sent.map(plain), failed: failed.map(plain) };
  },
  advance: ({ seconds }) => {
    Date.now = () => now() + seconds * 1000;
  },
});
