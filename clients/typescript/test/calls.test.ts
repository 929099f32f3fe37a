import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";

import { Code, type CallOptions } from "@schoolbell/client";
import { AccessService } from "@schoolbell/client/v1";

import { Exchange } from "../src/streams.js";
import { TestServer } from "./server.js";

test("a deadline that is undefined is the connection's", { timeout: 30_000 }, async () => {
  await using server = new TestServer().add(AccessService.method.getCaller, () => undefined);
  const client = await server.client({ deadlineMs: 50 });
  const options = { deadlineMs: undefined } as unknown as CallOptions; // as JavaScript may say
  await assert.rejects(client.access.getCaller({}, options), { code: Code.DEADLINE_EXCEEDED });
});

test("a response that cannot be read is an error of its call", { timeout: 30_000 }, async () => {
  await using server = new TestServer().addRaw(AccessService.method.getCaller, Buffer.from([0xff]));
  const client = await server.client();
  await assert.rejects(client.access.getCaller({}), { name: "SchoolbellError", code: Code.UNAVAILABLE });
});

test("waiting for room leaves no listener behind", async () => {
  class Call extends EventEmitter {
    cancel(): void {}
    end(): void {}
    write(): boolean {
      setImmediate(() => this.emit("drain"));
      return false;
    }
  }
  const call = new Call();
  const exchange = new Exchange<Buffer, never>(call, (bytes) => bytes);
  const before = call.listenerCount("status");
  for (let number = 0; number < 20; number++) {
    assert.ok(await exchange.send(Buffer.alloc(1)));
  }
  assert.deepEqual([call.listenerCount("status"), call.listenerCount("drain")], [before, 0]);
});
