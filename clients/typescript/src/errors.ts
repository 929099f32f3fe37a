import { anyUnpack, durationMs, type Any } from "@bufbuild/protobuf/wkt";
import { create, fromBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";

import { Code } from "./gen/google/rpc/code_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema, type Status } from "./gen/google/rpc/status_pb.js";

const REASON_PREFIX = "ERROR_REASON_";

/** One bad field of a request. */
export interface FieldError {
  /** Where the field is, such as `change.assignment.score_percent`. */
  readonly path: string;
  /** What is wrong with it: a sentence that begins with the path. */
  readonly text: string;
  /** The rule that it breaks, such as `TOO_LONG`; empty where the server does not say. */
  readonly reason: string;
}

/**
 * A call, or a change of a batch, that was refused or failed. Every error of a client's calls is one.
 * Its `message` is the code, the reason, and the service's text or what is wrong with each bad field.
 */
export class SchoolbellError extends Error {
  override readonly name = "SchoolbellError";
  /** gRPC's code. UNAVAILABLE and DEADLINE_EXCEEDED say nothing about the outcome. */
  readonly code: Code;
  /** The service's reason, such as `ETAG_MISMATCH`; empty where the transport failed. */
  readonly reason: string;
  /** The service's own text, for people. */
  readonly text: string;
  /** What belongs to the reason, such as the id of what was not found. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The bad fields of the request, at most 20. */
  readonly fields: readonly FieldError[];
  /** When to come back, in milliseconds; undefined where the service does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(status: Status, options?: ErrorOptions) {
    const info = detail(status.details, ErrorInfoSchema);
    const reason = info?.reason.replace(REASON_PREFIX, "") ?? "";
    // The service's own INTERNAL names a reason; gRPC's, and its UNKNOWN, are connections that broke.
    const broke = reason === "" && (status.code === Code.INTERNAL || status.code === Code.UNKNOWN);
    const code: Code = broke ? Code.UNAVAILABLE : status.code;
    const metadata = info?.metadata ?? {};
    const fields = (detail(status.details, BadRequestSchema)?.fieldViolations ?? []).map((one) => ({
      path: one.field,
      text: one.description,
      reason: one.reason.replace(`FIELD_${REASON_PREFIX}`, ""),
    }));
    const named = [Code[code] ?? `CODE_${code}`, reason].join(" ").trimEnd();
    super(`${named}: ${told(fields, metadata) || status.message}`, options);
    this.code = code;
    this.reason = reason;
    this.text = status.message;
    this.metadata = metadata;
    this.fields = fields;
    const delay = detail(status.details, RetryInfoSchema)?.retryDelay;
    this.retryAfterMs = (delay && durationMs(delay)) || undefined;
  }

  /** Returns the error that a status is, such as that of a refused change; undefined for OK. */
  static fromStatus(status: Status | undefined): SchoolbellError | undefined {
    return status && status.code !== Code.OK ? new SchoolbellError(status) : undefined;
  }
}

/** Returns the service's reason of an error, such as `CHANGE_KEY_REUSED`, or "". */
export function reasonOf(error: unknown): string {
  return error instanceof SchoolbellError ? error.reason : "";
}

/** Returns the error of a failed call of gRPC. */
export function fromServiceError(error: ServiceError): SchoolbellError {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const plain = create(StatusSchema, { code: error.code ?? Code.UNKNOWN, message: error.details ?? error.message });
  return new SchoolbellError(details(bytes, plain) ?? plain, { cause: error });
}

/** Returns the error of a connection that broke, or can never work. */
export function unavailable(text: string): SchoolbellError {
  return new SchoolbellError(create(StatusSchema, { code: Code.UNAVAILABLE, message: text }));
}

/** Returns the error of what its caller cancelled. */
export function cancelled(signal: AbortSignal): SchoolbellError {
  const status = create(StatusSchema, { code: Code.CANCELLED, message: "cancelled by its caller" });
  return new SchoolbellError(status, { cause: signal.reason });
}

/** Returns the status in a trailer; undefined where it is none, or of another outcome. */
function details(bytes: string | Buffer | undefined, plain: Status): Status | undefined {
  if (!(bytes instanceof Uint8Array)) {
    return undefined;
  }
  try {
    const status = fromBinary(StatusSchema, bytes);
    return status.code === plain.code ? status : undefined;
  } catch {
    return undefined;
  }
}

function detail<Desc extends DescMessage>(details: Any[], schema: Desc): MessageShape<Desc> | undefined {
  for (const one of details) {
    const found = anyUnpack(one, schema);
    if (found) {
      return found;
    }
  }
  return undefined;
}

function told(fields: readonly FieldError[], metadata: Readonly<Record<string, string>>): string {
  const more = Number(metadata["total"]) - fields.length;
  const sentences = fields.map((field) => field.text);
  return [...sentences, ...(fields.length > 0 && more > 0 ? [`And ${more} more.`] : [])].join(" ");
}
