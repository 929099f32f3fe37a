/**
 * What a monitor does: it follows what becomes of every delivery, and stores its position so that it goes
 * on there when it is started again.
 *
 *     node dist/examples/watch.js DISTRICT FILE
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { Client, fromEnvironment } from "@schoolbell/client";
import { Connectivity, DeliveryState, ServiceStatus } from "@schoolbell/client/v1";

const [district, file] = process.argv.slice(2);
if (!district || !file) {
  console.error("usage: watch DISTRICT FILE");
  process.exit(2);
}
await watch(district, file);

async function watch(districtId: string, path: string): Promise<void> {
  using client = new Client(fromEnvironment());
  const resumeToken = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  const watcher = client.watch({ districtId, resumeToken });
  process.once("SIGINT", () => void watcher.close());
  for await (const update of watcher) {
    for (const state of update.states) {
      console.log("state", ServiceStatus[state.serviceStatus], Connectivity[state.connectivity]);
    }
    for (const one of update.deliveries) {
      console.log("delivery", one.deliveryId, DeliveryState[one.state], one.revision);
    }
    if (update.resumeToken !== "") {
      writeFileSync(path, `${update.resumeToken}\n`, { mode: 0o600 }); // empty within a list
    }
  }
}
