import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { Breaks } from "./breaks.js";
import type { Caller } from "./calls.js";
import { cancelled, reasonOf, unavailable } from "./errors.js";
import type { ChangeSummary } from "./gen/schoolbell/v1/change_pb.js";
import type { Delivery } from "./gen/schoolbell/v1/delivery_pb.js";
import type { ServiceState } from "./gen/schoolbell/v1/status_pb.js";
import {
  StatusService,
  WatchStatusRequestSchema,
  WatchTopic,
  type WatchStatusRequest,
} from "./gen/schoolbell/v1/status_service_pb.js";
import type { WaitOptions } from "./publisher.js";
import { unlessAborted } from "./waiting.js";

const PAGE = 500;
const TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED";
const TOKEN_FOREIGN = "RESUME_TOKEN_FOREIGN";

/** Of how many deliveries a watcher remembers the revision. */
export const MOST_REVISIONS = 100_000;

/** What a watcher hands over: a response without the deliveries that were handed over before. */
export interface Update {
  /** The states of the service where they changed. */
  readonly states: readonly ServiceState[];
  /** Snapshots; each is newer than any before it. */
  readonly deliveries: readonly Delivery[];
  /** Accepted changes. */
  readonly changes: readonly ChangeSummary[];
  /**
   * The position after the update: store it once the update is dealt with, and give it to the next
   * watcher. It is empty within a list.
   */
  readonly resumeToken: string;
  /**
   * The deliveries are of a list, for the watcher's token had expired: what is no longer there may have
   * passed unseen, and so may changes, which a monitor cannot list.
   */
  readonly listed: boolean;
}

type Updates = AsyncGenerator<Update, void, undefined>;

/**
 * Follows what happens in a district. It resumes where a break left it, drops revisions that are older
 * than what it handed over, and lists and goes on when its token has expired or is of another store.
 *
 *     for await (const update of client.watch({ districtId, resumeToken })) { … }
 */
export class Watcher implements AsyncIterable<Update>, AsyncDisposable {
  readonly #caller: Caller;
  readonly #request: WatchStatusRequest;
  readonly #breaks: Breaks;
  readonly #abort = new AbortController();
  readonly #updates: Updates;
  #seen = new Revisions();
  #lists = 0;
  #next: Promise<IteratorResult<Update, void>> | undefined;
  #error: unknown;

  /** @internal */
  constructor(caller: Caller, request: MessageInitShape<typeof WatchStatusRequestSchema>) {
    this.#caller = caller;
    this.#request = create(WatchStatusRequestSchema, { ...request });
    this.#breaks = new Breaks(caller);
    this.#updates = this.#run();
  }

  /** How often the watcher had to list. */
  get lists(): number {
    return this.#lists;
  }

  /**
   * Returns the next update, once there is one. Throws CANCELLED where the signal comes first, which
   * loses no update, or what ended the watcher: no other call will work either.
   */
  async next({ signal }: WaitOptions = {}): Promise<Update> {
    if (this.#error !== undefined) {
      throw this.#error;
    }
    this.#next ??= this.#updates.next();
    const { value } = await unlessAborted(this.#next, signal);
    this.#next = undefined;
    if (value === undefined) {
      throw this.#error ?? cancelled(this.#abort.signal);
    }
    return value;
  }

  /** Yields the updates; the watcher ends with the loop over them, and the loop with the watcher. */
  async *[Symbol.asyncIterator](): Updates {
    try {
      for (;;) {
        yield await this.next();
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        throw error;
      }
    } finally {
      await this.close();
    }
  }

  /** Ends the watcher. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#next?.catch(() => undefined);
    await this.#updates.return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#run(): Updates {
    let next = () => this.#stream();
    for (;;) {
      try {
        yield* next();
        next = () => this.#stream();
      } catch (error) {
        const reason = reasonOf(error);
        if (reason === TOKEN_EXPIRED || reason === TOKEN_FOREIGN) {
          if (reason === TOKEN_FOREIGN) {
            this.#seen = new Revisions(); // a restored store counts anew
          }
          next = () => this.#list();
        } else if (!(await this.#bear(error))) {
          return;
        }
      }
    }
  }

  /** Waits before the next try; false where another is of no use. */
  async #bear(error: unknown): Promise<boolean> {
    try {
      await this.#breaks.wait(error, this.#abort.signal);
      return true;
    } catch (final) {
      this.#error = final;
      return false;
    }
  }

  /** Hands over what one stream brings, until it breaks. */
  async *#stream(): Updates {
    const options = { signal: this.#abort.signal };
    for await (const response of this.#caller.read(StatusService.method.watchStatus, this.#request, options)) {
      this.#breaks.over();
      this.#request.resumeToken = response.resumeToken;
      yield {
        states: response.states,
        deliveries: this.#seen.newer(response.deliveries),
        changes: response.changes,
        resumeToken: response.resumeToken,
        listed: false,
      };
    }
    throw unavailable("the service ended the stream");
  }

  /** Hands over the deliveries that there are, and puts the watcher behind them. */
  async *#list(): Updates {
    this.#lists++;
    const { districtId, deliveryFilter } = this.#request;
    const filter = deliveryFilter ? { filter: deliveryFilter } : {};
    let pageToken = "";
    do {
      const page = await this.#caller.unary(
        StatusService.method.listDeliveries,
        { districtId, pageSize: PAGE, pageToken, ...filter },
        { signal: this.#abort.signal },
      );
      this.#breaks.over();
      const wanted = this.#wantsDeliveries();
      pageToken = wanted ? page.nextPageToken : ""; // else only the position is of interest
      const resumeToken = pageToken === "" ? page.resumeToken : "";
      if (pageToken === "") {
        this.#request.resumeToken = resumeToken;
      }
      const deliveries = wanted ? this.#seen.newer(page.deliveries) : [];
      yield { states: [], deliveries, changes: [], resumeToken, listed: true };
    } while (pageToken !== "");
  }

  #wantsDeliveries(): boolean {
    const { topics } = this.#request;
    return topics.length === 0 || topics.includes(WatchTopic.DELIVERIES);
  }
}

/** Remembers the newest revision of each delivery that was handed over, of so many deliveries. */
export class Revisions {
  readonly #known = new Map<string, bigint>(); // oldest delivery first

  get size(): number {
    return this.#known.size;
  }

  /** Returns the deliveries that are newer than what was handed over, and remembers them. */
  newer(deliveries: readonly Delivery[]): Delivery[] {
    const found: Delivery[] = [];
    for (const delivery of deliveries) {
      const id = `${delivery.districtId}/${delivery.deliveryId}`;
      const known = this.#known.get(id);
      if (known === undefined || delivery.revision > known) {
        this.#known.set(id, delivery.revision);
        found.push(delivery);
      }
    }
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_REVISIONS) {
        break;
      }
      this.#known.delete(oldest);
    }
    return found;
  }
}
