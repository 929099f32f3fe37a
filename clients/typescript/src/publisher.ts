import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";

import { Breaks } from "./breaks.js";
import { message, type Caller } from "./calls.js";
import { SchoolbellError, cancelled, unavailable } from "./errors.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import { ChangeSchema, type Change } from "./gen/schoolbell/v1/change_pb.js";
import {
  ChangeService,
  StreamPublishChangesRequestSchema,
  type PublishAck,
  type StreamPublishChangesRequest,
  type StreamPublishChangesResponse,
} from "./gen/schoolbell/v1/change_service_pb.js";
import type { Exchange } from "./streams.js";
import { Moved, deferred, unlessAborted } from "./waiting.js";

const BATCH_SIZE = 100; // changes a message
const BATCH_BYTES = 1 << 20; // of a message, before its last change
const WINDOW = 8; // unanswered batches; the server reads no further than 16
const MOST_BYTES = 1 << 20; // of one change; the server takes 8 KiB
const COME_BACK = 1_000; // milliseconds, where a full service names no time

/** How many changes may be without an answer before {@link Publisher.submit} waits. */
export const MOST_SUBMITTED = 2_000;

/** May end the wait for something; what is waited for goes on. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** What submitting to a closed publisher throws. */
export class PublisherClosed extends Error {
  override readonly name = "PublisherClosed";

  constructor() {
    super("the publisher is closed");
  }
}

/** The answer to one submitted change, once it is there. */
export class Answer {
  /** The change that is answered. */
  readonly change: Change;
  /** @internal */
  readonly size: number;
  readonly #given = deferred<PublishAck>();

  /** @internal */
  constructor(change: Change, size: number) {
    this.change = change;
    this.size = size;
    this.#given.promise.catch(() => undefined); // nobody may be waiting for it
  }

  /**
   * Returns the answer once it is there: the change is durable, a duplicate, or refused (see
   * `SchoolbellError.fromStatus` for the error of a refused one). Throws why there will be none.
   */
  wait({ signal }: WaitOptions = {}): Promise<PublishAck> {
    return unlessAborted(this.#given.promise, signal);
  }

  /** @internal */
  resolve(ack: PublishAck): void {
    this.#given.resolve(ack);
  }

  /** @internal */
  reject(error: unknown): void {
    this.#given.reject(error);
  }
}

type Stream = Exchange<StreamPublishChangesRequest, StreamPublishChangesResponse>;

/**
 * Publishes changes for one district on a stream: in batches, in order, each one answered. When the
 * stream breaks it opens another and sends again whatever was not answered: keys make that harmless.
 * What the service refuses for being full is sent again later. A mistake of the caller, such as a revoked
 * key, a wrong target or a certificate that is not trusted, ends it with that reason.
 *
 * At most 2,000 changes wait in it; `submit` then waits.
 */
export class Publisher implements AsyncDisposable {
  readonly #caller: Caller;
  readonly #districtId: string;
  readonly #breaks: Breaks;
  readonly #abort = new AbortController();
  readonly #moved = new Moved();
  readonly #done: Promise<void>;
  readonly #pending = new Set<Answer>();
  readonly #queue: (() => void)[] = []; // those who wait for a place, in order
  #taken = 0; // places, of those who have one
  #waiting: Answer[] = [];
  #batches: Answer[][] = []; // unanswered, oldest first
  #sent = 0; // how many of them the present stream has taken
  #closing = false;
  #error: unknown;

  /** @internal */
  constructor(caller: Caller, districtId: string) {
    this.#caller = caller;
    this.#districtId = districtId;
    this.#breaks = new Breaks(caller);
    this.#done = this.#run();
  }

  /**
   * Queues a change and returns its answer to come; waits while too much is queued. The change must not
   * be altered any more. Throws where the publisher has ended, or the change can never be sent.
   */
  async submit(given: MessageInitShape<typeof ChangeSchema>, { signal }: WaitOptions = {}): Promise<Answer> {
    const change = message(ChangeSchema, given);
    const size = toBinary(ChangeSchema, change).length;
    if (size > MOST_BYTES) {
      throw new RangeError(`the change has ${size} bytes, and may have 8 KiB`);
    }
    this.#refuseIfOver();
    await this.#place(signal);
    try {
      this.#refuseIfOver();
    } catch (error) {
      this.#leave(); // to the next, who may wait too
      throw error;
    }
    const answer = new Answer(change, size);
    this.#waiting.push(answer);
    this.#pending.add(answer);
    this.#moved.notify();
    return answer;
  }

  /** Publishes a change and returns its answer. */
  async publish(change: MessageInitShape<typeof ChangeSchema>, options: WaitOptions = {}): Promise<PublishAck> {
    return (await this.submit(change, options)).wait(options);
  }

  /** Waits until everything is answered that was submitted before it. */
  async flush({ signal }: WaitOptions = {}): Promise<void> {
    if (this.#error !== undefined) {
      throw this.#error;
    }
    await unlessAborted(Promise.all([...this.#pending].map((answer) => answer.wait())), signal);
  }

  /**
   * Takes no more changes and waits until everything is answered. Throws why something will not be: what
   * ended the publisher, or CANCELLED where the signal came first; what is unanswered then is given up,
   * and may or may not have been taken.
   */
  async close({ signal }: WaitOptions = {}): Promise<void> {
    this.#closing = true;
    this.#moved.notify();
    try {
      await unlessAborted(this.#done, signal);
    } catch (error) {
      if (this.#pending.size > 0) {
        this.#fail(error);
      }
      this.#abort.abort(error);
      await this.#done;
    }
    if (this.#error !== undefined) {
      throw this.#error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #refuseIfOver(): void {
    if (this.#error !== undefined) {
      throw this.#error;
    }
    if (this.#closing) {
      throw new PublisherClosed();
    }
  }

  /** Takes a place for one change, in turn. */
  async #place(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) {
      throw cancelled(signal);
    }
    if (this.#taken < MOST_SUBMITTED) {
      this.#taken++;
      return;
    }
    const { promise, resolve } = deferred<void>();
    this.#queue.push(resolve);
    try {
      await unlessAborted(promise, signal);
    } catch (error) {
      const number = this.#queue.indexOf(resolve);
      if (number < 0) {
        this.#leave(); // it was given a moment ago
      } else {
        this.#queue.splice(number, 1);
      }
      throw error;
    }
  }

  /** Gives a place to who waits for one. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next) {
      next();
    } else {
      this.#taken--;
    }
  }

  /** Opens one stream after the other until everything is answered or nothing can be. */
  async #run(): Promise<void> {
    while (await this.#hasWork()) {
      try {
        await this.#stream();
      } catch (error) {
        await this.#bear(error);
      }
    }
  }

  /** Waits before the next stream, or ends the publisher where another is of no use. */
  async #bear(error: unknown): Promise<void> {
    if (this.#finished()) {
      return;
    }
    try {
      await this.#breaks.wait(error, this.#abort.signal);
    } catch (final) {
      this.#fail(final);
    }
  }

  /** Waits until there is something to send; false where there will be nothing any more. */
  async #hasWork(): Promise<boolean> {
    while (this.#waiting.length === 0 && this.#batches.length === 0 && !this.#finished()) {
      await this.#moved.wait();
    }
    return !this.#finished();
  }

  /** Tells whether everything is answered and nothing more will come, or all is given up. */
  #finished(): boolean {
    return this.#error !== undefined || (this.#closing && this.#pending.size === 0);
  }

  /** Sends and receives on one stream until it ends. */
  async #stream(): Promise<void> {
    const stream: Stream = this.#caller.exchange(ChangeService.method.streamPublishChanges);
    this.#sent = 0;
    let over = false;
    const received = this.#receive(stream).finally(() => {
      over = true;
      this.#moved.notify();
    });
    received.catch(() => undefined); // thrown below
    for (;;) {
      const request = await this.#next(() => over);
      if (request === undefined || !(await stream.send(request))) {
        break; // the receiver knows why
      }
    }
    stream.end();
    await received;
    if (!this.#finished()) {
      throw unavailable("the service ended the stream");
    }
  }

  /**
   * Returns what to send next on the present stream: first what a broken one left unanswered. It is
   * undefined where the stream is over or all is done.
   */
  async #next(over: () => boolean): Promise<StreamPublishChangesRequest | undefined> {
    for (;;) {
      if (over() || this.#finished()) {
        return undefined;
      }
      if (this.#sent === this.#batches.length && this.#waiting.length > 0 && this.#batches.length < WINDOW) {
        this.#batches.push(this.#batch());
      }
      const batch = this.#batches[this.#sent];
      if (batch !== undefined) {
        this.#sent++;
        const changes = batch.map((answer) => answer.change);
        return create(StreamPublishChangesRequestSchema, { districtId: this.#districtId, changes });
      }
      await this.#moved.wait();
    }
  }

  /** Takes changes from those that wait. */
  #batch(): Answer[] {
    let count = 0;
    let bytes = 0;
    for (const answer of this.#waiting) {
      if (count === BATCH_SIZE || bytes >= BATCH_BYTES) {
        break;
      }
      bytes += answer.size;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Takes the answers of a stream until it ends. */
  async #receive(stream: Stream): Promise<void> {
    for await (const response of stream.responses(this.#abort.signal)) {
      this.#take(response);
    }
  }

  /** Hands the answers of a batch out. */
  #take({ acks }: StreamPublishChangesResponse): void {
    const batch = this.#batches[0];
    if (this.#sent === 0 || batch?.length !== acks.length) {
      throw unavailable("the service answered something else than was asked");
    }
    this.#breaks.over();
    this.#batches.shift();
    this.#sent--;
    for (const [index, answer] of batch.entries()) {
      const ack = acks[index] as PublishAck;
      const delay = refusedForNow(ack);
      if (delay === undefined) {
        this.#pending.delete(answer);
        this.#leave();
        answer.resolve(ack);
      } else {
        setTimeout(() => this.#again(answer), delay);
      }
    }
    this.#moved.notify();
  }

  /** Queues a change for which the service was too full. */
  #again(answer: Answer): void {
    if (this.#error === undefined) {
      this.#waiting.push(answer);
      this.#moved.notify();
    }
  }

  /** Ends the publisher: nothing that is unanswered will be. */
  #fail(error: unknown): void {
    if (this.#error !== undefined) {
      return;
    }
    this.#error = error;
    for (const answer of this.#pending) {
      answer.reject(error);
    }
    this.#pending.clear();
    this.#waiting = [];
    this.#batches = [];
    this.#sent = 0;
    for (const wake of this.#queue.splice(0)) {
      wake();
    }
    this.#moved.notify();
  }
}

/** Returns after how many milliseconds to send a change again for which the service was too full. */
function refusedForNow(ack: PublishAck): number | undefined {
  const refusal = SchoolbellError.fromStatus(ack.error);
  return refusal?.code === Code.RESOURCE_EXHAUSTED ? (refusal.retryAfterMs ?? COME_BACK) : undefined;
}
