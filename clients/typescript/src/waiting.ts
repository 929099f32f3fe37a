import { setTimeout as sleep } from "node:timers/promises";

import { cancelled } from "./errors.js";

/** Waits for a time in milliseconds; throws CANCELLED where the signal comes first. */
export async function pause(delay: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delay, undefined, { signal });
  } catch {
    throw cancelled(signal);
  }
}

/** Waits for a promise; throws CANCELLED where the signal comes first. The promise goes on. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return promise;
  }
  return new Promise((resolve, reject) => {
    const abort = () => reject(cancelled(signal));
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A promise that is settled from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  return { promise, resolve, reject };
}

/** Tells those who wait that something has moved. */
export class Moved {
  #next = deferred<void>();

  /** Wakes those who wait now. */
  notify(): void {
    this.#next.resolve();
    this.#next = deferred();
  }

  /** Waits for the next notice. */
  wait(): Promise<void> {
    return this.#next.promise;
  }
}
