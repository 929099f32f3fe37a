/**
 * The TypeScript client of Schoolbell.
 *
 *     const client = new Client(fromEnvironment());
 *     const { ack } = await client.changes.publishChange({ districtId, change });
 *
 * A {@link Client} has the calls of each service of the contract, whose messages are in
 * `@schoolbell/client/v1`. Unary calls have a default deadline and are repeated where the contract says
 * that this is safe. Every error of a call is a {@link SchoolbellError} with the service's reason.
 *
 * A {@link Publisher} publishes many changes on a stream and sends again what was not answered when the
 * stream broke. A {@link Watcher} follows what becomes of them and resumes by itself.
 *
 * @packageDocumentation
 */
export { BadConnection } from "./bad_connection.js";
export type { CallOptions, Requests } from "./calls.js";
export { Event, date, money, type EventFields } from "./changes.js";
export { Client, type Call, type Service } from "./client.js";
export {
  fromEnvironment,
  type ClientCertificate,
  type Connection,
  type Logger,
  type TokenSource,
} from "./connection.js";
export { SchoolbellError, reasonOf, type FieldError } from "./errors.js";
export { Code } from "./gen/google/rpc/code_pb.js";
export { stringify } from "./json.js";
export { readKey } from "./keys.js";
export { Answer, Publisher, PublisherClosed, type WaitOptions } from "./publisher.js";
export { DEFAULT_DEADLINE_MS } from "./service_config.js";
export { DEFAULT_TARGET } from "./targets.js";
export { VERSION } from "./version.js";
export { Watcher, type Update } from "./watcher.js";
