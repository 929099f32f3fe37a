import { lookup } from "node:dns/promises";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import type { CheckedConnection } from "./connection.js";
import { splitTarget } from "./targets.js";

const PATIENCE = 3_000; // milliseconds for an address
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
const TLS_ALERT = Buffer.from([0x15, 0x03]);
const SETTINGS = 4; // the type of an HTTP/2 frame, in its fourth byte
const NO_HTTP2 = "what listens there is no gRPC server: it does not speak HTTP/2";
const UNKNOWN_NAME = ["ENOTFOUND", "ENODATA"];
const NOT_TRUSTED =
  /^(?:CERT_|ERR_TLS_CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|HOSTNAME_MISMATCH|INVALID_)/;

/**
 * Returns why a connection can never work; "" if it works, or may work later. gRPC says UNAVAILABLE to
 * both, so the addresses are tried with a handshake of our own. With `names` a host that nobody knows is
 * such a mistake.
 */
export async function findMistake(connection: CheckedConnection, names: boolean): Promise<string> {
  const place = splitTarget(connection.target);
  if (place === undefined) {
    return ""; // resolved by gRPC in its own way
  }
  let addresses: { address: string }[];
  try {
    addresses = await lookup(place.host, { all: true });
  } catch (error) {
    const unknown = UNKNOWN_NAME.includes((error as NodeJS.ErrnoException).code ?? "");
    return names && unknown ? `the host ${JSON.stringify(place.host)} is not known` : "";
  }
  let mistake = "";
  for (const { address } of addresses) {
    const found = await tryAddress(connection, place.host, address, place.port);
    if (found === "") {
      return "";
    }
    mistake ||= found ?? "";
  }
  return mistake;
}

/** Returns what is wrong with an address, "" if nothing, undefined where it was not reached. */
async function tryAddress(
  connection: CheckedConnection,
  host: string,
  address: string,
  port: number,
): Promise<string | undefined> {
  const plain = connectPlain({ host: address, port });
  try {
    if (!(await reached(plain))) {
      return undefined;
    }
    return connection.plaintext ? await tryPlaintext(plain) : await tryTls(plain, connection, host);
  } finally {
    plain.destroy();
  }
}

/** Tells whether a socket connects in time. */
function reached(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.setTimeout(PATIENCE, () => resolve(false));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => resolve(true));
  });
}

function tryTls(plain: Socket, connection: CheckedConnection, host: string): Promise<string> {
  return new Promise((resolve) => {
    const secure = connectTls({
      ...connection.tls,
      socket: plain,
      host,
      ...(isIP(host) ? {} : { servername: host }),
      ALPNProtocols: ["h2"],
    });
    secure.setTimeout(PATIENCE, () => resolve(""));
    secure.on("close", () => resolve(""));
    secure.on("error", (error) => resolve(handshakeMistake(error)));
    secure.on("secureConnect", () => {
      if (secure.alpnProtocol !== "h2") {
        resolve(NO_HTTP2);
      } else if (connection.hasClientCertificate) {
        resolve("");
      } // a server that wants a certificate says so after the handshake
    });
    secure.on("data", () => resolve(""));
  });
}

function handshakeMistake(error: NodeJS.ErrnoException): string {
  const code = error.code ?? "";
  if (NOT_TRUSTED.test(code)) {
    return `the server's certificate is not trusted: ${error.message}`;
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return "what listens there does not speak TLS";
  }
  if (code.endsWith("CERTIFICATE_REQUIRED")) {
    return "the server wants a client certificate";
  }
  return ""; // it was cut off, or took too long: it may work later
}

function tryPlaintext(plain: Socket): Promise<string> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const judge = () => resolve(plaintextMistake(answer));
    plain.setTimeout(PATIENCE, judge);
    plain.on("close", judge); // an answer that breaks off is judged by what came
    plain.on("data", (part) => {
      answer = Buffer.concat([answer, part]);
      if (answer.length >= 9) {
        judge();
      }
    });
    plain.write(PREFACE);
  });
}

function plaintextMistake(answer: Buffer): string {
  if (answer.subarray(0, 2).equals(TLS_ALERT)) {
    return "the server speaks TLS: connect without `plaintext`";
  }
  return answer.length > 3 && answer[3] !== SETTINGS ? NO_HTTP2 : "";
}
