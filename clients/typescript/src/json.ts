import { createRegistry, isMessage, toJson, type DescFile } from "@bufbuild/protobuf";
import { file_google_protobuf_duration, file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt";

import { file_google_rpc_error_details } from "./gen/google/rpc/error_details_pb.js";
import { file_google_rpc_status } from "./gen/google/rpc/status_pb.js";
import { file_google_type_date } from "./gen/google/type/date_pb.js";
import { file_google_type_money } from "./gen/google/type/money_pb.js";
import * as v1 from "./v1.js";

/** The messages and services of the contract by their names. */
export const registry = createRegistry(
  ...(Object.values(v1) as object[]).filter(isFile),
  file_google_protobuf_duration,
  file_google_protobuf_timestamp,
  file_google_rpc_error_details,
  file_google_rpc_status,
  file_google_type_date,
  file_google_type_money,
);

function isFile(one: object): one is DescFile {
  return "kind" in one && one.kind === "file";
}

/**
 * Returns the JSON of anything with messages in it, such as an update of a watcher. A message is written
 * as Protocol Buffers say: enums by name, times in RFC 3339, and 64-bit numbers as text, which
 * `JSON.stringify` alone refuses to write.
 */
export function stringify(value: unknown, space?: number): string {
  return JSON.stringify(value, plain, space);
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    return value.toString();
  }
  const schema = isMessage(value) ? registry.getMessage(value.$typeName) : undefined;
  return schema && isMessage(value, schema) ? toJson(schema, value, { registry }) : value;
}
