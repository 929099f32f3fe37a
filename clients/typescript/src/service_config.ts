import { createRequire } from "node:module";

interface ServiceConfig {
  methodConfig: { timeout?: string }[];
}

const shared = createRequire(import.meta.url)("../../service_config.json") as ServiceConfig;

/**
 * Returns the default deadline in milliseconds, and what gRPC is given: the config without its
 * deadlines, which a caller could then only shorten.
 */
export function readServiceConfig(config: ServiceConfig): { deadlineMs: number; retries: string } {
  let deadlineMs = 0;
  const methodConfig = config.methodConfig.map(({ timeout, ...rest }) => {
    const seconds = Number(timeout?.match(/^([0-9.]+)s$/)?.[1]);
    if (!(seconds > 0)) {
      throw new Error("the service config names no deadline");
    }
    deadlineMs = Math.max(deadlineMs, seconds * 1000);
    return rest;
  });
  return { deadlineMs, retries: JSON.stringify({ ...config, methodConfig }) };
}

const read = readServiceConfig(shared);

/** How long a unary call may take that names no deadline, as the contract's service config says. */
export const DEFAULT_DEADLINE_MS = read.deadlineMs;

/** Which calls gRPC may repeat, as the contract's service config says. */
export const RETRIES = read.retries;
