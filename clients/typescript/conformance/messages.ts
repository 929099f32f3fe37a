import { stringify } from "@schoolbell/client";

export { registry } from "../src/json.js";

/** Returns the JSON of a message, as the client writes it. */
export function printed(message: unknown): unknown {
  return JSON.parse(stringify(message));
}
