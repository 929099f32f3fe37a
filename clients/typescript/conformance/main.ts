/** The runner of the TypeScript client: it does what tests/conformance/README.md says of each operation. */
import { createInterface } from "node:readline";

import { Code, SchoolbellError } from "@schoolbell/client";

import { Refused, Runner, type Answered, type Asked } from "./runner.js";

interface Task {
  readonly controller: AbortController;
  readonly answer: Promise<object>;
}

let runner = new Runner();
let background = new Map<string, Task>();

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as Asked;
  process.stdout.write(`${JSON.stringify({ id: asked.id, ...(await answer(asked)) })}\n`);
}

/** Does an operation, in the background if it has a name. */
async function answer(asked: Asked): Promise<object> {
  switch (asked.op) {
    case "wait":
      return taskOf(asked).answer;
    case "cancel":
      taskOf(asked).controller.abort();
      return { ok: {} };
    case "reset":
      await reset();
      return { ok: {} };
  }
  const controller = new AbortController();
  const answered = outcome(runner.do(asked, controller.signal));
  if (!asked.as) {
    return answered;
  }
  background.set(asked.as, { controller, answer: answered });
  return { ok: {} };
}

function taskOf({ of }: Asked): Task {
  const task = background.get(of);
  if (task === undefined) {
    throw new Error(`nothing in the background is called ${of}`);
  }
  return task;
}

async function reset(): Promise<void> {
  for (const task of background.values()) {
    task.controller.abort();
    await task.answer;
  }
  await runner.close();
  runner = new Runner();
  background = new Map();
}

async function outcome(operation: Promise<Answered>): Promise<object> {
  try {
    return { ok: await operation };
  } catch (error) {
    if (error instanceof Refused) {
      return { error: { code: "CLIENT", reason: "", message: error.message } };
    }
    if (!(error instanceof SchoolbellError)) {
      return { fault: (error as Error).stack ?? String(error) };
    }
    const violations = error.fields.map(({ path, text, reason }) => ({ field: path, description: text, reason }));
    return {
      error: {
        code: Code[error.code],
        reason: error.reason,
        message: error.message,
        metadata: error.metadata,
        violations,
        retry_delay: error.retryAfterMs === undefined ? null : error.retryAfterMs / 1000,
      },
    };
  }
}
