import type { Caller } from "./calls.js";
import type { CheckedConnection } from "./connection.js";
import { SchoolbellError, cancelled, unavailable } from "./errors.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import { findMistake } from "./mistakes.js";
import { pause } from "./waiting.js";

const FIRST_PAUSE = 100; // milliseconds
const MOST_PAUSE = 5_000; // milliseconds
const SAY_AGAIN = 10_000; // milliseconds
const EXPIRED_FOR = 60_000; // milliseconds of expired tokens, after which their source is at fault
// After so many breaks in a row a connection that once worked is looked at again.
const LOOK_FOR_MISTAKES = 3;

/** The breaks of one series of tries: it waits, says so, and gives up where another try is of no use. */
export class Breaks {
  readonly #connection: CheckedConnection;
  readonly #closed: AbortSignal;
  #bound = FIRST_PAUSE;
  #worked = false;
  #count = 0;
  #since = 0;
  #said: number | undefined;
  #expiredSince: number | undefined;

  constructor(caller: Caller) {
    this.#connection = caller.connection;
    this.#closed = caller.closed;
  }

  /** Tells that the service answered. */
  over(): void {
    if (this.#said !== undefined) {
      this.#connection.logger.warn("Schoolbell answers again");
    }
    this.#bound = FIRST_PAUSE;
    this.#worked = true;
    this.#count = 0;
    this.#said = undefined;
    this.#expiredSince = undefined;
  }

  /** Waits before the next try; throws where another try is of no use. */
  async wait(error: unknown, given: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([given, this.#closed]);
    if (signal.aborted) {
      throw cancelled(signal);
    }
    if (!(error instanceof SchoolbellError) || !(this.#isRenewed(error) || mayPass(error))) {
      throw error;
    }
    const delay = Math.max(Math.random() * this.#bound, error.retryAfterMs ?? 0);
    this.#bound = Math.min(MOST_PAUSE, 2 * this.#bound);
    if (this.#suspicious(error)) {
      const mistake = await findMistake(this.#connection, !this.#worked);
      if (mistake !== "") {
        throw unavailable(mistake);
      }
    }
    this.#say(error);
    await pause(delay, signal);
  }

  /** Tells whether the next try shows another token, in place of one that has expired. */
  #isRenewed(error: SchoolbellError): boolean {
    if (!this.#connection.hasToken || error.reason !== "KEY_EXPIRED") {
      this.#expiredSince = undefined;
      return false;
    }
    const now = performance.now();
    this.#expiredSince ??= now;
    return now - this.#expiredSince <= EXPIRED_FOR;
  }

  /**
   * Tells whether the connection itself may be to blame: nobody answered, not even to say so. It is
   * looked at once in so many breaks, and at first where it has never worked.
   */
  #suspicious(error: SchoolbellError): boolean {
    if (error.reason !== "") {
      return false;
    }
    const number = this.#count++;
    return number % LOOK_FOR_MISTAKES === (this.#worked ? LOOK_FOR_MISTAKES - 1 : 0);
  }

  #say(error: SchoolbellError): void {
    const now = performance.now();
    if (this.#said === undefined) {
      this.#since = now;
      this.#connection.logger.warn(`Schoolbell is away, trying again: ${error.message}`);
    } else if (now - this.#said >= SAY_AGAIN) {
      const seconds = Math.round((now - this.#since) / 1000);
      this.#connection.logger.warn(`Schoolbell is away for ${seconds} s: ${error.message}`);
    } else {
      return;
    }
    this.#said = now;
  }
}

function mayPass(error: SchoolbellError): boolean {
  switch (error.code) {
    case Code.UNAVAILABLE:
    case Code.CANCELLED: // by a server that stops: this end did not
      return true;
    case Code.RESOURCE_EXHAUSTED:
      return error.retryAfterMs !== undefined;
    default:
      return false;
  }
}
