import { readFileSync } from "node:fs";

import { clone, fromJson, type DescMessage, type DescMethod, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import {
  Client,
  SchoolbellError,
  VERSION,
  fromEnvironment,
  type Answer,
  type Connection,
  type Publisher,
  type Watcher,
} from "@schoolbell/client";
import { ChangeSchema, PublishResult, WatchStatusRequestSchema } from "@schoolbell/client/v1";

import { build, type Building } from "./build.js";
import { printed, registry } from "./messages.js";

/** A line from the driver. */
export interface Asked extends Building {
  id: number;
  op: string;
  as?: string;
  of: string;

  client: string;
  publisher: string;
  watcher: string;

  target?: string;
  key?: string;
  key_file?: string;
  ca_file?: string;
  certificate_file?: string;
  private_key_file?: string;
  plaintext?: boolean;
  environment?: Record<string, string>;

  method: string;
  request: JsonValue;
  requests: JsonValue[];
  deadline?: number;
  take: number;
  district_id: string;
  changes: JsonValue[];
  change: JsonValue;
  count: Record<string, number> | number;
}

/** What an operation answers. */
export type Answered = Record<string, unknown>;

/** What the client refuses before any call. */
export class Refused extends Error {}

interface Publishing {
  readonly publisher: Publisher;
  /** Since the last flush. */
  submitted: Answer[];
}

type Operation = (asked: Asked, signal: AbortSignal) => Promise<Answered> | Answered;

/** Holds the clients of a scenario by name, and what they are doing. */
export class Runner {
  readonly #clients = new Map<string, Client>();
  readonly #publishers = new Map<string, Publishing>();
  readonly #watchers = new Map<string, Watcher>();
  readonly #operations: Record<string, Operation> = {
    describe: () => ({
      language: "typescript",
      version: VERSION,
      offers: ["publisher", "watcher", "relisting", "builders", "mistakes", "environment", "mutual-tls"],
    }),
    connect: (asked) => this.#connect(asked),
    close: ({ client }) => (this.#client(client).close(), {}),
    call: (asked, signal) => this.#call(asked, signal),
    read: (asked, signal) => this.#read(asked, signal),
    exchange: (asked, signal) => this.#exchange(asked, signal),
    "publisher.open": (asked) => this.#openPublisher(asked),
    "publisher.submit": (asked, signal) => this.#submit(asked, signal),
    "publisher.flush": (asked) => this.#flush(asked),
    "publisher.close": (asked) => this.#closePublisher(asked),
    "publisher.repeat": (asked, signal) => this.#repeat(asked, signal),
    "watcher.open": (asked) => this.#openWatcher(asked),
    "watcher.take": (asked, signal) => this.#take(asked, signal),
    "watcher.count": (asked, signal) => this.#count(asked, signal),
    "watcher.close": async ({ watcher }) => (await named(this.#watchers, watcher).close(), {}),
    build: (asked) => ({ change: printed(refusing(() => build(asked))) }),
  };

  async do(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const operation = this.#operations[asked.op];
    if (operation === undefined) {
      throw new Error(`no such operation: ${asked.op}`);
    }
    return operation(asked, signal);
  }

  /** Closes everything; whatever is unanswered is given up. */
  async close(): Promise<void> {
    for (const { publisher } of this.#publishers.values()) {
      await publisher.close({ signal: AbortSignal.abort() }).catch(() => undefined);
    }
    for (const watcher of this.#watchers.values()) {
      await watcher.close();
    }
    for (const client of this.#clients.values()) {
      client.close();
    }
  }

  #client(name: string): Client {
    return named(this.#clients, name);
  }

  #connect(asked: Asked): Answered {
    const before = { ...process.env };
    Object.assign(process.env, asked.environment, asked.key_file ? { SCHOOLBELL_KEY_FILE: asked.key_file } : {});
    try {
      this.#clients.set(asked.client, refusing(() => new Client(connection(asked))));
    } finally {
      process.env = before;
    }
    return {};
  }

  async #call(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const method = methodOf(asked);
    const request = parsed(method.input, asked.request);
    const response = await this.#method(asked)(request, limits(asked, signal));
    return { response: printed(response as MessageShape<DescMessage>) };
  }

  async #read(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const method = methodOf(asked);
    const request = parsed(method.input, asked.request);
    const responses: unknown[] = [];
    const call = this.#method(asked)(request, limits(asked, signal));
    for await (const response of call as AsyncIterable<MessageShape<DescMessage>>) {
      responses.push(printed(response));
      if (responses.length === asked.take) {
        return { responses, ended: false };
      }
    }
    return { responses, ended: true };
  }

  async #exchange(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const method = methodOf(asked);
    const requests = asked.requests.map((one) => parsed(method.input, one));
    const call = this.#method(asked)(requests, { signal });
    const responses: unknown[] = [];
    if (method.methodKind === "bidi_streaming") {
      for await (const response of call as AsyncIterable<MessageShape<DescMessage>>) {
        responses.push(printed(response));
      }
    } else {
      responses.push(printed((await call) as MessageShape<DescMessage>));
    }
    return { responses };
  }

  #method(asked: Asked): (request: unknown, options: object) => unknown {
    const method = methodOf(asked);
    const calls = this.#client(asked.client).service(method.parent) as Record<string, never>;
    return calls[method.localName] as never;
  }

  #openPublisher(asked: Asked): Answered {
    const publisher = this.#client(asked.client).newPublisher(asked.district_id);
    this.#publishers.set(asked.publisher, { publisher, submitted: [] });
    return {};
  }

  async #submit(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const one = named(this.#publishers, asked.publisher);
    for (const change of asked.changes) {
      one.submitted.push(await one.publisher.submit(parsed(ChangeSchema, change), { signal }));
    }
    return {};
  }

  async #flush(asked: Asked): Promise<Answered> {
    const one = named(this.#publishers, asked.publisher);
    await one.publisher.flush();
    return acks(one);
  }

  async #closePublisher(asked: Asked): Promise<Answered> {
    const one = named(this.#publishers, asked.publisher);
    this.#publishers.delete(asked.publisher);
    await one.publisher.close();
    return acks(one);
  }

  #openWatcher(asked: Asked): Answered {
    const request = parsed(WatchStatusRequestSchema, asked.request);
    this.#watchers.set(asked.watcher, this.#client(asked.client).watch(request));
    return {};
  }

  async #take(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const watcher = named(this.#watchers, asked.watcher);
    const taken = { states: [] as unknown[], deliveries: [] as unknown[], changes: [] as unknown[] };
    const kinds = Object.keys(taken) as (keyof typeof taken)[];
    const wanted = asked.count as Record<string, number>;
    let token = "";
    while (kinds.some((kind) => taken[kind].length < (wanted[kind] ?? 0))) {
      const update = await watcher.next({ signal });
      for (const kind of kinds) {
        for (const one of update[kind]) {
          taken[kind].push(printed(one));
        }
      }
      token = update.resumeToken;
    }
    return { ...taken, resume_token: token, lists: watcher.lists };
  }

  /** Reads on as `#take` does, and only counts what comes. */
  async #count(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const watcher = named(this.#watchers, asked.watcher);
    const came = { states: 0, deliveries: 0, changes: 0 };
    const kinds = Object.keys(came) as (keyof typeof came)[];
    const wanted = asked.count as Record<string, number>;
    while (kinds.some((kind) => came[kind] < (wanted[kind] ?? 0))) {
      const update = await watcher.next({ signal });
      for (const kind of kinds) {
        came[kind] += update[kind].length;
      }
    }
    return came;
  }

  /** Publishes many copies of a change. */
  async #repeat(asked: Asked, signal: AbortSignal): Promise<Answered> {
    const { publisher } = named(this.#publishers, asked.publisher);
    const change = parsed(ChangeSchema, asked.change);
    const answers: Answer[] = [];
    for (let number = 0; number < (asked.count as number); number++) {
      const again = clone(ChangeSchema, change);
      again.key!.changeId += `-${number}`;
      answers.push(await publisher.submit(again, { signal }));
    }
    const acks = await Promise.all(answers.map((answer) => answer.wait()));
    return { accepted: acks.filter((ack) => ack.result === PublishResult.ACCEPTED).length };
  }
}

function connection(asked: Asked): Connection {
  const { target, key, ca_file: ca, certificate_file: certificate, private_key_file: privateKey } = asked;
  return {
    ...fromEnvironment(),
    ...(target === undefined ? {} : { target }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(certificate && privateKey
      ? { clientCertificate: { certificate: readFileSync(certificate), key: readFileSync(privateKey) } }
      : {}),
    plaintext: asked.plaintext ?? false,
    ...(asked.deadline === undefined ? {} : { deadlineMs: asked.deadline * 1000 }),
  };
}

function limits({ deadline }: Asked, signal: AbortSignal): object {
  return { signal, ...(deadline === undefined ? {} : { deadlineMs: deadline * 1000 }) };
}

/** Returns the answers of what was submitted since the last flush. */
async function acks(one: Publishing): Promise<Answered> {
  const found = one.submitted.map(async (answer) => {
    const ack = await answer.wait();
    return {
      change_id: answer.change.key?.changeId,
      result: PublishResult[ack.result],
      reason: SchoolbellError.fromStatus(ack.error)?.reason ?? "",
    };
  });
  one.submitted = [];
  return { acks: await Promise.all(found) };
}

function refusing<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Refused((error as Error).message);
  }
}

function named<T>(all: Map<string, T>, name: string): T {
  const found = all.get(name);
  if (found === undefined) {
    throw new Error(`nothing is called ${name}`);
  }
  return found;
}

function methodOf({ method }: Asked): DescMethod {
  const [service = "", name] = method.split("/");
  const found = registry.getService(`schoolbell.v1.${service}`)?.methods.find((one) => one.name === name);
  if (found === undefined) {
    throw new Error(`no such method: ${method}`);
  }
  return found;
}

function parsed<Desc extends DescMessage>(schema: Desc, json: JsonValue): MessageShape<Desc> {
  return fromJson(schema, json, { registry });
}
