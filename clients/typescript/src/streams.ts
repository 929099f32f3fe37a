import type { EventEmitter } from "node:events";

import type { ServiceError } from "@grpc/grpc-js";

import { cancelled, fromServiceError } from "./errors.js";

interface Call extends EventEmitter {
  cancel(): void;
}

interface Reading extends Call, AsyncIterable<unknown> {}

interface Writing extends Call {
  write(bytes: Buffer): boolean;
  end(): unknown;
}

/** Yields the responses of a call, which ends with the loop over them; throws typed errors. */
export async function* responsesOf<Response>(
  call: Reading,
  signal: AbortSignal | undefined,
): AsyncGenerator<Response, void, undefined> {
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel);
  call.on("error", ignore); // also after the loop
  try {
    for await (const response of call) {
      yield response as Response;
    }
  } catch (error) {
    throw signal?.aborted ? cancelled(signal) : fromServiceError(error as ServiceError);
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}

/** A call that takes requests one by one. */
export class Exchange<Request, Response> {
  /** What went wrong with the requests of `sendAll`. */
  fault: unknown;
  readonly #call: Writing;
  readonly #encode: (request: Request) => Buffer;
  #over = false;

  constructor(call: Writing, encode: (request: Request) => Buffer) {
    this.#call = call;
    this.#encode = encode;
    call.on("error", ignore); // its reader tells
    call.once("status", () => (this.#over = true));
  }

  /** Sends a request, and waits for room for the next; false where the call is over. */
  async send(request: Request): Promise<boolean> {
    const encoded = this.#encode(request);
    if (!this.#over && !this.#call.write(encoded)) {
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#call.off("drain", done).off("status", done);
          resolve();
        };
        this.#call.on("drain", done).on("status", done);
      });
    }
    return !this.#over;
  }

  /** Says that no further request comes. */
  end(): void {
    if (!this.#over) {
      this.#call.end();
    }
  }

  /** Sends all requests in the background; a fault of theirs cancels the call. */
  sendAll(requests: AsyncIterable<Request>): void {
    const send = async () => {
      for await (const request of requests) {
        if (!(await this.send(request))) {
          return;
        }
      }
      this.end();
    };
    send().catch((error: unknown) => {
      this.fault = error;
      this.#call.cancel();
    });
  }

  /** Yields the responses of the call, which ends with the loop over them. */
  responses(signal?: AbortSignal): AsyncGenerator<Response, void, undefined> {
    return responsesOf(this.#call as unknown as Reading, signal);
  }
}

function ignore(): void {}
