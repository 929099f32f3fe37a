import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, type Watcher } from "@schoolbell/client";
import type { Delivery } from "@schoolbell/client/v1";

import { MOST_REVISIONS, Revisions } from "../src/watcher.js";
import { StatusServer } from "./server.js";

function snapshot(deliveryId: string, revision: number): Delivery {
  return { districtId: "d", deliveryId, revision: BigInt(revision) } as Delivery;
}

function response(resumeToken: string, ...deliveries: Delivery[]) {
  return { resumeToken, deliveries };
}

async function taken(watcher: Watcher, count: number) {
  const updates = [];
  for (let number = 0; number < count; number++) {
    updates.push(await watcher.next());
  }
  return updates;
}

test("a watcher resumes and drops what it handed over", async () => {
  const server = new StatusServer([
    {
      responses: [response("1", snapshot("a", 1)), response("2", snapshot("a", 2), snapshot("b", 1))],
      failure: { code: Code.UNAVAILABLE },
    },
    {
      responses: [response("3", snapshot("a", 2), snapshot("b", 2), snapshot("a", 1))],
      failure: { code: Code.UNAVAILABLE, reason: "DRAINING" },
    },
  ]);
  await using running = server.serve();
  await using watcher = (await running.client()).watch({ districtId: "d", resumeToken: "0" });
  const updates = await taken(watcher, 3);
  const seen = updates.flatMap((update) => update.deliveries.map((one) => `${one.deliveryId}${one.revision}`));
  assert.deepEqual(seen, ["a1", "a2", "b1", "b2"]);
  assert.deepEqual(server.tokens.slice(0, 2), ["0", "2"]);
});

const KEY_EXPIRED = { code: Code.UNAUTHENTICATED, reason: "KEY_EXPIRED" };

test("a watcher whose token has expired goes on with the next", async () => {
  const server = new StatusServer([
    { responses: [response("1")], failure: KEY_EXPIRED },
    { responses: [], failure: KEY_EXPIRED },
    { responses: [response("2")], failure: { code: Code.UNAVAILABLE } },
  ]);
  await using running = server.serve();
  const client = await running.client({ token: () => "token" });
  await using watcher = client.watch({ districtId: "d" });
  await taken(watcher, 2);
  assert.deepEqual(server.tokens.slice(0, 3), ["", "1", "1"]);
});

test("a key that has expired ends the watcher", async () => {
  await using running = new StatusServer([{ responses: [], failure: KEY_EXPIRED }]).serve();
  await using watcher = (await running.client()).watch({ districtId: "d" });
  await assert.rejects(watcher.next(), KEY_EXPIRED);
});

test("a watcher whose token has expired lists", async () => {
  for (const reason of ["RESUME_TOKEN_EXPIRED", "RESUME_TOKEN_FOREIGN"]) {
    const server = new StatusServer(
      [
        { responses: [], failure: { code: Code.OUT_OF_RANGE, reason } },
        { responses: [response("9", snapshot("a", 4))], failure: { code: Code.UNAVAILABLE } },
      ],
      {
        "": { deliveries: [snapshot("a", 3)], nextPageToken: "p", resumeToken: "8" },
        p: { deliveries: [snapshot("b", 1)], resumeToken: "8" },
      },
    );
    await using running = server.serve();
    await using watcher = (await running.client()).watch({ districtId: "d", resumeToken: "1" });
    const updates = await taken(watcher, 3);
    assert.deepEqual(updates.map((update) => [update.resumeToken, update.listed]), [["", true], ["8", true], ["9", false]]);
    assert.equal(watcher.lists, 1);
    assert.deepEqual(server.tokens.slice(0, 2), ["1", "8"]);
  }
});

test("a mistake ends the watcher", async () => {
  const server = new StatusServer([{ responses: [], failure: { code: Code.UNAUTHENTICATED, reason: "KEY_REVOKED" } }]);
  await using running = server.serve();
  await using watcher = (await running.client()).watch({ districtId: "d" });
  for (let count = 0; count < 2; count++) {
    await assert.rejects(watcher.next(), { reason: "KEY_REVOKED" });
  }
});

test("a wait that is cancelled loses no update, and closing ends the wait", async () => {
  const server = new StatusServer([{ responses: [response("1")], failure: { code: Code.UNAVAILABLE } }]);
  await using running = server.serve();
  const watcher = (await running.client()).watch({ districtId: "d" });
  await assert.rejects(watcher.next({ signal: AbortSignal.abort() }), { code: Code.CANCELLED });
  assert.equal((await watcher.next()).resumeToken, "1");
  const waiting = assert.rejects(watcher.next(), { code: Code.CANCELLED });
  await watcher.close();
  await waiting;
});

test("waits at once get an update each", async () => {
  const server = new StatusServer([{ responses: [response("1"), response("2")], failure: { code: Code.UNAVAILABLE } }]);
  await using running = server.serve();
  await using watcher = (await running.client()).watch({ districtId: "d" });
  const updates = await Promise.all([watcher.next(), watcher.next()]);
  assert.deepEqual(updates.map((update) => update.resumeToken), ["1", "2"]);
});

test("a watcher is a loop", async () => {
  const server = new StatusServer([{ responses: [response("1"), response("2")], failure: { code: Code.UNAVAILABLE } }]);
  await using running = server.serve();
  const watcher = (await running.client()).watch({ districtId: "d" });
  for await (const update of watcher) {
    if (update.resumeToken === "2") {
      break;
    }
  }
  await assert.rejects(watcher.next(), { code: Code.CANCELLED });
});

test("closing a watcher ends the loop over it", async () => {
  const server = new StatusServer([{ responses: [response("1")], failure: { code: Code.UNAVAILABLE } }]);
  await using running = server.serve();
  const watcher = (await running.client()).watch({ districtId: "d" });
  let count = 0;
  for await (const update of watcher) {
    count += Number(update.resumeToken);
    void watcher.close();
  }
  assert.equal(count, 1);
});

test("revisions are remembered within bounds", () => {
  const seen = new Revisions();
  for (let number = 0; number < MOST_REVISIONS + 10; number++) {
    seen.newer([snapshot(String(number), 1)]);
  }
  assert.equal(seen.size, MOST_REVISIONS);
});
