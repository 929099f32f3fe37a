import { BlockList, isIP } from "node:net";

import { BadConnection } from "./bad_connection.js";

/** Where a client connects that is told nothing else. */
export const DEFAULT_TARGET = "localhost:7443";

const FORM = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]+)$/;
const NO_HOST = /[/ @?#\t\r\n]/;
const OTHER_SCHEMES = ["unix:", "ipv4:", "ipv6:"];

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/**
 * Returns the host and port of a target, `host:port` or `dns:///host:port`; undefined for the other
 * forms that gRPC takes, which it resolves in its own way.
 */
export function splitTarget(target: string): { host: string; port: number } | undefined {
  const [, address, name, digits] = FORM.exec(target.replace(/^dns:(\/\/\/)?/, "")) ?? [];
  const host = address ?? name;
  const port = Number(digits);
  if (host === undefined || NO_HOST.test(host) || !(port >= 1 && port <= 65535)) {
    return undefined;
  }
  return { host, port };
}

/** Refuses a target that can name no server. */
export function checkTarget(target: string): void {
  if (splitTarget(target) || OTHER_SCHEMES.some((scheme) => target.startsWith(scheme))) {
    return;
  }
  throw new BadConnection(
    `the target ${JSON.stringify(target)} must be host:port, such as ${DEFAULT_TARGET} or [::1]:7443`,
  );
}

/** Tells whether a target is this machine alone; other names are not looked up. */
export function isLoopback(target: string): boolean {
  if (target.startsWith("unix:")) {
    return true;
  }
  const host = splitTarget(target)?.host.toLowerCase().replace(/\.$/, "");
  if (host === undefined) {
    return false;
  }
  if (host === "localhost" || host.endsWith(".localhost")) {
    return true;
  }
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? "ipv4" : "ipv6");
}
