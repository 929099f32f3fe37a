import { readFileSync } from "node:fs";

import { BadConnection } from "./bad_connection.js";

const KEY_PREFIX = "sb_";
const LONGEST_KEY_FILE = 64 * 1024; // bytes

/**
 * Returns the API key that a file holds, in UTF-8 or UTF-16. Space and line ends around the key do not
 * matter. The error says where no key is and why, but not what is there instead.
 */
export function readKey(path: string): string {
  const raw = readFile(path, "the key file");
  const where = `the key file ${path}`;
  if (raw.length > LONGEST_KEY_FILE) {
    throw noKey(where, `it is longer than ${LONGEST_KEY_FILE} bytes`);
  }
  const key = decode(raw)?.trim();
  if (key === undefined) {
    throw noKey(where, "it is no text");
  }
  if (key === "") {
    throw noKey(where, "it is empty");
  }
  if (!key.startsWith(KEY_PREFIX)) {
    throw noKey(where, `one begins with ${KEY_PREFIX}`);
  }
  checkKey(key, where);
  return key;
}

/** Returns the bytes of a file; the error names what it is and where. */
export function readFile(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new BadConnection(`${what} ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Refuses a key that no call can carry; `where` names what holds it. */
export function checkKey(key: string, where: string): void {
  if (/^[!-~]*$/.test(key) && !key.endsWith("\n")) {
    return;
  }
  const trimmed = key.replace(/[\r\n]+$/, "");
  const lines = trimmed.split(/[\r\n]+/).filter((line) => line !== "").length;
  if (lines > 1) {
    throw noKey(where, `it has ${lines} lines`);
  }
  if (trimmed !== key) {
    throw noKey(where, "it ends with a line end, perhaps of Windows");
  }
  if (/\s/.test(key)) {
    throw noKey(where, "it has spaces");
  }
  throw noKey(where, "it has characters that are not printable ASCII");
}

function noKey(where: string, fault: string): BadConnection {
  return new BadConnection(`${where} holds no API key: ${fault}`);
}

/** Returns the text of a file in UTF-8 or UTF-16, with a byte-order mark or without. */
function decode(raw: Buffer): string | undefined {
  try {
    return new TextDecoder(encodingOf(raw), { fatal: true }).decode(raw);
  } catch {
    return undefined;
  }
}

function encodingOf(raw: Buffer): string {
  const [first, second] = raw;
  if ((first === 0xff && second === 0xfe) || second === 0) {
    return "utf-16le";
  }
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== undefined)) {
    return "utf-16be";
  }
  return "utf-8";
}
