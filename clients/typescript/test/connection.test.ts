import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { BadConnection, Client, Code, DEFAULT_DEADLINE_MS, SchoolbellError, readKey, type Connection } from "@schoolbell/client";
import { create } from "@bufbuild/protobuf";
import { StatusSchema } from "@schoolbell/client/v1";

import { RETRIES } from "../src/service_config.js";
import { isLoopback } from "../src/targets.js";
import { echo } from "./server.js";

const KEY = "sb_0123456789abcdef_AAAA";
const folder = mkdtempSync(join(tmpdir(), "schoolbell-"));
const path = join(folder, "publisher.key");
after(() => rmSync(folder, { recursive: true }));

function wide(text: string, little: boolean): Buffer {
  const made = Buffer.from(text, "utf16le");
  return little ? made : made.swap16();
}

test("a key file is read in any encoding", () => {
  for (const raw of [
    Buffer.from(KEY),
    Buffer.from(` ${KEY}\r\n\r\n`),
    Buffer.from(`\ufeff${KEY}\n`),
    wide(`\ufeff${KEY}\r\n`, true),
    wide(`\ufeff${KEY}`, false),
    wide(KEY, true),
    wide(KEY, false),
  ]) {
    writeFileSync(path, raw);
    assert.equal(readKey(path), KEY);
  }
});

test("a file without a key is named, and what it holds is not told", () => {
  for (const [raw, fault] of [
    ["", "it is empty"],
    ["\xff\xfe", "it is empty"],
    [`${KEY}\n${KEY}`, "it has 2 lines"],
    [`${KEY} ${KEY}`, "it has spaces"],
    [`${KEY}\xe9`, "it is no text"],
    [`${KEY}\xc3\xa9`, "not printable ASCII"],
    ["-----BEGIN CERTIFICATE-----\n", "one begins with sb_"],
    [`sb_${"x".repeat(64 * 1024)}`, "longer than 65536 bytes"],
  ] as const) {
    writeFileSync(path, raw, "latin1");
    assert.throws(
      () => readKey(path),
      (error: Error) =>
        error instanceof BadConnection &&
        error.message.includes(fault) &&
        error.message.includes(path) &&
        !error.message.includes(KEY),
      fault,
    );
  }
});

test("a connection that can never work is refused", () => {
  const certificate = { certificate: "nonsense", key: "nonsense" };
  for (const connection of [
    { key: `${KEY}\r` },
    { key: `${KEY}\n` },
    { key: `${KEY}\n${KEY}` },
    { target: "schoolbell.example" },
    { target: "https://schoolbell.example:443" },
    { target: "schoolbell.example:0" },
    { target: "schoolbell.example:65536" },
    { target: "::1:7443" },
    { ca: "nonsense" },
    { ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
    { clientCertificate: certificate },
    { target: "schoolbell.example:443", plaintext: true },
    { key: KEY, token: () => "" },
  ] satisfies Connection[]) {
    assert.throws(() => new Client(connection), BadConnection, JSON.stringify(connection));
  }
});

test("loopback targets are known", () => {
  for (const [target, expected] of Object.entries({
    "localhost:7443": true, "LOCALHOST.:1": true, "api.localhost:1": true, "127.9.9.9:1": true,
    "[::1]:7443": true, "[::ffff:127.0.0.1]:1": true, "dns:///localhost:1": true,
    "unix:/run/schoolbell.sock": true, "schoolbell.example:443": false, "10.0.0.1:7443": false,
    "localhost.example:443": false, "notlocalhost:1": false, "[2001:db8::1]:7443": false,
  })) {
    assert.equal(isLoopback(target), expected, target);
  }
});

test("a token source is asked at each call", async () => {
  await using server = echo();
  let asked = 0;
  const client = await server.client({ token: async () => `token-${++asked}` });
  for (const number of [1, 2]) {
    assert.deepEqual((await client.access.getCaller({})).sources, [`Bearer token-${number}`]);
  }
});

test("a token source that fails ends the call", async () => {
  await using server = echo();
  const away = create(StatusSchema, { code: Code.UNAVAILABLE, message: "no wire" });
  for (const [token, code] of [
    [() => { throw new Error("signed out"); }, Code.UNAUTHENTICATED],
    [async () => { throw new SchoolbellError(away); }, Code.UNAVAILABLE],
    [() => "two\nlines", Code.UNAUTHENTICATED],
  ] as const) {
    const client = await server.client({ token });
    await assert.rejects(client.access.getCaller({}), { code });
  }
});

test("no call is made with a client that is closed", async () => {
  await using server = echo();
  const client = await server.client();
  client.close();
  await assert.rejects(client.access.getCaller({}), { code: Code.CANCELLED });
});

test("the service config is read", () => {
  assert.equal(DEFAULT_DEADLINE_MS, 15_000);
  assert.ok(!RETRIES.includes("timeout"), "a deadline of gRPC's own could not be made longer");
  for (const method of ['"PublishChange"', '"GetStatus"', '"UNAVAILABLE"']) {
    assert.ok(RETRIES.includes(method), method);
  }
  for (const stream of ["StreamPublishChanges", "WatchStatus", "ImportRoster"]) {
    assert.ok(!RETRIES.includes(stream), `${stream} is a stream, which gRPC must not repeat`);
  }
});
