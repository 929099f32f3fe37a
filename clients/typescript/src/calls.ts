import {
  create,
  fromBinary,
  isMessage,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Client, type CallOptions as GrpcOptions, type Metadata, type ServiceError } from "@grpc/grpc-js";

import type { CheckedConnection } from "./connection.js";
import { cancelled, fromServiceError } from "./errors.js";
import { Exchange, responsesOf } from "./streams.js";

/** How one call is made. */
export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** How long the call may take, in milliseconds; a stream has no limit but this one. */
  readonly deadlineMs?: number;
}

/** Requests of a stream; plain objects are made messages. */
export type Requests<Input extends DescMessage> =
  | Iterable<MessageInitShape<Input>>
  | AsyncIterable<MessageInitShape<Input>>;

/** A method of the contract, by the descriptions of its messages. */
export type Method<Input extends DescMessage, Output extends DescMessage> = DescMethod & {
  readonly input: Input;
  readonly output: Output;
};

interface Cancellable {
  cancel(): void;
}

type Started = Cancellable & { once(event: "status", told: () => void): unknown };

/** Makes the calls of one channel, with the connection's credentials, deadline and typed errors. */
export class Caller {
  readonly connection: CheckedConnection;
  readonly #closing = new AbortController();
  readonly #channel: Client;
  readonly #metadata: Metadata;
  readonly #options: GrpcOptions;
  readonly #calls = new Set<Cancellable>();

  constructor(connection: CheckedConnection) {
    const credentials = connection.callCredentials();
    this.connection = connection;
    this.#channel = new Client(connection.target, connection.channelCredentials(), connection.channelOptions());
    this.#metadata = connection.metadata();
    this.#options = credentials ? { credentials } : {};
  }

  /** Says when no call can be made any more. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** Cancels all calls and ends the connection. */
  close(): void {
    this.#closing.abort();
    for (const call of this.#calls) {
      call.cancel();
    }
    this.#channel.close();
  }

  /** One request, one response; with the connection's deadline where the caller names none. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const encoded = encode(method.input, message(method.input, request));
    const limited = { ...options, deadlineMs: options.deadlineMs ?? this.connection.deadlineMs };
    return this.#answer(limited.signal, (callback) =>
      this.#channel.makeUnaryRequest(
        pathOf(method), same, decoder(method.output), encoded, this.#metadata, this.#limits(limited), callback,
      ),
    );
  }

  /** One request, many responses. */
  async *read<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    this.#refuseIfOver(options.signal);
    const encoded = encode(method.input, message(method.input, request));
    const call = this.#started(
      this.#channel.makeServerStreamRequest(
        pathOf(method), same, decoder(method.output), encoded, this.#metadata, this.#limits(options),
      ),
    );
    yield* responsesOf<MessageShape<O>>(call, options.signal);
  }

  /** Many requests, one response. */
  async write<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    requests: Requests<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    let exchange: Exchange<MessageShape<I>, never> | undefined;
    try {
      return await this.#answer<MessageShape<O>>(options.signal, (callback) => {
        const call = this.#channel.makeClientStreamRequest(
          pathOf(method), same, decoder(method.output), this.#metadata, this.#limits(options), callback,
        );
        exchange = new Exchange(call, (request) => encode(method.input, request));
        exchange.sendAll(messages(method.input, requests));
        return call;
      });
    } catch (error) {
      throw exchange?.fault ?? error;
    }
  }

  /** Many requests, many responses. */
  async *converse<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    requests: Requests<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const exchange = this.exchange(method, options);
    exchange.sendAll(messages(method.input, requests));
    try {
      yield* exchange.responses(options.signal);
    } catch (error) {
      throw exchange.fault ?? error;
    }
  }

  /** Many requests, many responses, the former sent one by one. */
  exchange<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    options: CallOptions = {},
  ): Exchange<MessageShape<I>, MessageShape<O>> {
    this.#refuseIfOver(options.signal);
    const call = this.#started(
      this.#channel.makeBidiStreamRequest(
        pathOf(method), same, decoder(method.output), this.#metadata, this.#limits(options),
      ),
    );
    return new Exchange(call, (request) => encode(method.input, request));
  }

  #limits({ deadlineMs }: CallOptions): GrpcOptions {
    return deadlineMs === undefined ? this.#options : { ...this.#options, deadline: Date.now() + deadlineMs };
  }

  #refuseIfOver(signal: AbortSignal | undefined): void {
    for (const one of [signal, this.closed]) {
      if (one?.aborted) {
        throw cancelled(one);
      }
    }
  }

  #started<Call extends Started>(call: Call): Call {
    this.#calls.add(call);
    call.once("status", () => this.#calls.delete(call));
    return call;
  }

  #answer<Answer>(
    signal: AbortSignal | undefined,
    start: (callback: (error: ServiceError | null, value?: Answer) => void) => Started,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#refuseIfOver(signal);
      const cancel = () => call.cancel();
      const call = start((error, value) => {
        signal?.removeEventListener("abort", cancel);
        if (value !== undefined && !error) {
          resolve(value);
        } else {
          reject(signal?.aborted ? cancelled(signal) : fromServiceError(error as ServiceError));
        }
      });
      this.#started(call);
      signal?.addEventListener("abort", cancel);
    });
  }
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

function encode<Desc extends DescMessage>(schema: Desc, value: MessageShape<Desc>): Buffer {
  const { buffer, byteOffset, byteLength } = toBinary(schema, value);
  return Buffer.from(buffer, byteOffset, byteLength);
}

function decoder<Desc extends DescMessage>(schema: Desc): (bytes: Buffer) => MessageShape<Desc> {
  return (bytes) => fromBinary(schema, bytes);
}

/** Returns a message of what is one, or describes one. */
export function message<Desc extends DescMessage>(schema: Desc, given: MessageInitShape<Desc>): MessageShape<Desc> {
  return isMessage(given, schema) ? given : create(schema, given);
}

async function* messages<Desc extends DescMessage>(
  schema: Desc,
  given: Requests<Desc>,
): AsyncGenerator<MessageShape<Desc>, void, undefined> {
  for await (const one of given) {
    yield message(schema, one);
  }
}
