import { createRequire } from "node:module";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

/** The version of this client; it follows that of the contract. */
export const VERSION = version;
