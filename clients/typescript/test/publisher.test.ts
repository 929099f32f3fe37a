import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, PublisherClosed, SchoolbellError } from "@schoolbell/client";
import type { ChangeSchema } from "@schoolbell/client/v1";
import type { MessageInitShape } from "@bufbuild/protobuf";

import { MOST_SUBMITTED } from "../src/publisher.js";
import { ChangeServer } from "./server.js";

function change(number: number): MessageInitShape<typeof ChangeSchema> {
  return { key: { source: "sis", changeId: `c${number}` } };
}

async function opened(server: ChangeServer) {
  const running = server.serve();
  const client = await running.client();
  return { running, client, publisher: client.newPublisher("d") };
}

test("what was not answered is sent again after a break", async () => {
  for (const code of [Code.UNAVAILABLE, Code.CANCELLED, Code.INTERNAL]) {
    const server = new ChangeServer();
    server.breaks = 2;
    server.breakCode = code;
    const { running, publisher } = await opened(server);
    await using _ = running;
    const answers = [];
    for (let number = 0; number < 250; number++) {
      answers.push(await publisher.submit(change(number)));
    }
    await publisher.close();
    for (const answer of answers) {
      assert.equal((await answer.wait()).error, undefined);
    }
    assert.equal(server.accepted.size, 250);
  }
});

test("what a full service refuses is sent again later", async () => {
  const server = new ChangeServer();
  server.full.set("c1", 2).set("c2", 1);
  const { running, publisher } = await opened(server);
  await using _ = running;
  for (let number = 0; number < 4; number++) {
    await publisher.submit(change(number));
  }
  await publisher.flush();
  assert.deepEqual([...server.accepted.values()], [1, 1, 1, 1]);
  await publisher.close();
});

test("a mistake ends the publisher with its reason", async () => {
  const server = new ChangeServer();
  server.final = { code: Code.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };
  const { running, publisher } = await opened(server);
  await using _ = running;
  const answer = await publisher.submit(change(1));
  const refused = { code: Code.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };
  await assert.rejects(answer.wait(), refused);
  await assert.rejects(publisher.flush(), refused);
  await assert.rejects(publisher.submit(change(2)), refused);
  await assert.rejects(publisher.close(), refused);
});

test("submitting waits while too much is unanswered, and keeps the order", async () => {
  const server = new ChangeServer();
  let release = (): void => undefined;
  server.hold = new Promise((resolve) => (release = resolve));
  const { running, publisher } = await opened(server);
  await using _ = running;
  for (let number = 0; number < MOST_SUBMITTED; number++) {
    await publisher.submit(change(number));
  }
  const impatient = new AbortController();
  const given = publisher.submit(change(-1), { signal: impatient.signal });
  const later = [1, 2, 3].map((number) => publisher.submit(change(MOST_SUBMITTED + number)));
  impatient.abort();
  await assert.rejects(given, { code: Code.CANCELLED });
  release();
  await Promise.all(later);
  await publisher.close();
  assert.deepEqual([...server.accepted.keys()].slice(-4), ["c1999", "c2001", "c2002", "c2003"]);
});

test("closing refuses everybody who still waits to submit", { timeout: 30_000 }, async () => {
  const server = new ChangeServer();
  let release = (): void => undefined;
  server.hold = new Promise((resolve) => (release = resolve));
  const { running, publisher } = await opened(server);
  await using _ = running;
  for (let number = 0; number < MOST_SUBMITTED; number++) {
    await publisher.submit(change(number));
  }
  const waiting = Array.from({ length: MOST_SUBMITTED + 1 }, (_, number) => publisher.submit(change(-number)));
  const refused = waiting.map((one) => assert.rejects(one, PublisherClosed));
  const closed = publisher.close();
  release();
  await Promise.all([...refused, closed]);
});

test("a closed publisher takes nothing", async () => {
  const { running, publisher } = await opened(new ChangeServer());
  await using _ = running;
  await publisher.close();
  await assert.rejects(publisher.submit(change(1)), PublisherClosed);
});

test("closing that may not wait gives up", async () => {
  const server = new ChangeServer();
  server.hold = new Promise(() => undefined);
  const { running, publisher } = await opened(server);
  await using _ = running;
  const answer = await publisher.submit(change(1));
  await assert.rejects(publisher.close({ signal: AbortSignal.abort() }), { code: Code.CANCELLED });
  await assert.rejects(answer.wait(), { code: Code.CANCELLED });
});

test("closing the client ends its publisher", async () => {
  const server = new ChangeServer();
  server.hold = new Promise(() => undefined);
  const { running, client, publisher } = await opened(server);
  await using _ = running;
  const answer = await publisher.submit(change(1));
  client.close();
  await assert.rejects(answer.wait(), SchoolbellError);
  await assert.rejects(publisher.close(), { code: Code.CANCELLED });
});

test("a change that cannot be sent is refused at once", async () => {
  const { running, publisher } = await opened(new ChangeServer());
  await using _ = running;
  const action = { case: "assignment" as const, value: { action: 1.5 as never } };
  await assert.rejects(publisher.submit({ payload: action }));
  await assert.rejects(publisher.submit({ studentId: "x".repeat(1 << 20) }), RangeError);
  await publisher.close();
});
