/** Servers of the tests: real ones of gRPC on loopback, which do what they are told. */
import { create, fromBinary, toBinary, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from "@grpc/grpc-js";

import { Client, Code, type Connection } from "@schoolbell/client";
import {
  AccessService,
  ChangeService,
  PublishResult,
  StatusService,
  StatusSchema,
  type GetCallerRequest,
  type ListDeliveriesRequest,
  type ListDeliveriesResponseSchema,
  type StreamPublishChangesRequest,
  type WatchStatusRequest,
  type WatchStatusResponseSchema,
} from "@schoolbell/client/v1";
import { ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";

export interface Failure {
  readonly code: Code;
  readonly reason?: string;
}

/** Serves methods until it is disposed of. */
export class TestServer implements AsyncDisposable {
  readonly #server = new Server();
  readonly #clients: Client[] = [];
  #port = 0;

  add(method: DescMethod, handle: unknown, raw?: Buffer): this {
    const { input, output } = method;
    const definition = {
      path: `/${method.parent.typeName}/${method.name}`,
      requestStream: method.methodKind === "bidi_streaming",
      responseStream: method.methodKind !== "unary",
      requestSerialize: () => Buffer.alloc(0),
      requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
      responseSerialize: (value: Record<string, unknown>) =>
        raw ?? Buffer.from(toBinary(output, create(output, value))),
      responseDeserialize: () => ({}),
    };
    this.#server.addService({ [method.localName]: definition }, { [method.localName]: handle as UntypedHandleCall });
    return this;
  }

  /** Answers a method with bytes, whatever they are. */
  addRaw(method: DescMethod, raw: Buffer): this {
    return this.add(method, (_: unknown, answer: Answering) => answer(null, {}), raw);
  }

  async client(connection: Connection = {}): Promise<Client> {
    this.#port ||= await new Promise((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
    const client = new Client({
      target: `127.0.0.1:${this.#port}`,
      plaintext: true,
      logger: { warn: () => undefined },
      ...connection,
    });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) {
      client.close();
    }
    this.#server.forceShutdown();
  }
}

/** Returns the error of a server with a reason of the service. */
export function failing({ code, reason }: Failure): { code: number; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (reason) {
    const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason }))];
    const status = create(StatusSchema, { code, message: "as told", details });
    metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, status)));
  }
  return { code, details: "as told", metadata };
}

type Publishing = ServerDuplexStream<StreamPublishChangesRequest, object>;

/** Accepts changes; breaks streams after their first answer, and is full, as often as it is told. */
export class ChangeServer {
  breaks = 0;
  breakCode = Code.UNAVAILABLE;
  final: Failure | undefined;
  readonly full = new Map<string, number>();
  /** How often each change was taken. */
  readonly accepted = new Map<string, number>();
  hold: Promise<void> = Promise.resolve();

  serve(): TestServer {
    return new TestServer().add(ChangeService.method.streamPublishChanges, (call: Publishing) => this.#publish(call));
  }

  #publish(call: Publishing): void {
    call.on("error", () => undefined);
    call.on("data", (request: StreamPublishChangesRequest) => void this.hold.then(() => this.#respond(call, request)));
    call.on("end", () => call.end());
  }

  #respond(call: Publishing, request: StreamPublishChangesRequest): void {
    const response = this.#answer(request);
    const failure = this.final ?? (this.breaks > 0 ? { code: this.breakCode } : undefined);
    if (failure) {
      this.breaks--; // the changes were taken, and the answer is lost
      call.emit("error", failing(failure));
    } else {
      call.write(response);
    }
  }

  #answer({ changes }: StreamPublishChangesRequest): object {
    const acks = changes.map(({ key }) => {
      const id = key?.changeId ?? "";
      const full = this.full.get(id) ?? 0;
      if (full > 0) {
        this.full.set(id, full - 1);
        return FULL;
      }
      this.accepted.set(id, (this.accepted.get(id) ?? 0) + 1);
      return { result: PublishResult.ACCEPTED };
    });
    return { acks };
  }
}

const FULL = {
  result: PublishResult.REFUSED,
  error: {
    code: Code.RESOURCE_EXHAUSTED,
    details: [anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(1) }))],
  },
};

type Watching = ServerWritableStream<WatchStatusRequest, object>;
type Listing = ServerUnaryCall<ListDeliveriesRequest, object>;
type Answering = (error: null, response: object) => void;

/** Streams what it is told, and breaks each stream after it. */
export class StatusServer {
  /** The tokens with which each stream was asked for. */
  readonly tokens: string[] = [];

  constructor(
    readonly streams: { responses: MessageInitShape<typeof WatchStatusResponseSchema>[]; failure: Failure }[],
    readonly pages: Record<string, MessageInitShape<typeof ListDeliveriesResponseSchema>> = {},
  ) {}

  serve(): TestServer {
    return new TestServer()
      .add(StatusService.method.watchStatus, (call: Watching) => this.#watch(call))
      .add(StatusService.method.listDeliveries, (call: Listing, answer: Answering) => this.#list(call, answer));
  }

  #watch(call: Watching): void {
    const stream = this.streams[this.tokens.length];
    this.tokens.push(call.request.resumeToken);
    for (const response of stream?.responses ?? []) {
      call.write(response);
    }
    if (stream) {
      call.emit("error", failing(stream.failure));
    }
  }

  #list(call: Listing, answer: Answering): void {
    answer(null, this.pages[call.request.pageToken] ?? {});
  }
}

/** Answers with the credentials of a call. */
export function echo(): TestServer {
  return new TestServer().add(
    AccessService.method.getCaller,
    (call: ServerUnaryCall<GetCallerRequest, object>, answer: Answering) =>
      answer(null, { sources: call.metadata.get("authorization") }),
  );
}

