import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";

import {
  CallCredentials,
  ChannelCredentials,
  Metadata,
  credentials,
  type ChannelOptions,
} from "@grpc/grpc-js";

import { BadConnection } from "./bad_connection.js";
import { SchoolbellError } from "./errors.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import { checkKey, readFile, readKey } from "./keys.js";
import { DEFAULT_DEADLINE_MS, RETRIES } from "./service_config.js";
import { DEFAULT_TARGET, checkTarget, isLoopback } from "./targets.js";
import { VERSION } from "./version.js";

const USER_AGENT = `schoolbell-typescript/${VERSION}`;
const MESSAGE_LIMIT = 16 * 1024 * 1024; // bytes; a page may be larger than gRPC's own limit
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

/**
 * Returns the token of a call, such as that of an identity provider. It is asked at every call, so it
 * keeps a token while that is good. What it throws is UNAUTHENTICATED to the call and ends a publisher
 * or watcher; a fault that may pass is a `SchoolbellError` with the code UNAVAILABLE, and then tried again.
 */
export type TokenSource = () => string | Promise<string>;

/** Is told of breaks that last; `console` is one. */
export interface Logger {
  warn(message: string): void;
}

/** The caller's certificate chain and private key in PEM, for mutual TLS. */
export interface ClientCertificate {
  readonly certificate: string | Uint8Array;
  readonly key: string | Uint8Array;
}

/** The address of a service and the caller's credentials. */
export interface Connection {
  /** `host:port`; {@link DEFAULT_TARGET} by default. */
  readonly target?: string;
  /** An API key, `sb_…`. */
  readonly key?: string;
  /** Is asked for the token of each call, in place of a key. */
  readonly token?: TokenSource;
  /** The PEM of the authority that signed the server's certificate; Node's own authorities by default. */
  readonly ca?: string | Uint8Array;
  /** The caller's certificate, for mutual TLS. */
  readonly clientCertificate?: ClientCertificate;
  /** No encryption: only against a loopback server that says so itself. */
  readonly plaintext?: boolean;
  /** How long a unary call may take that names no deadline, in milliseconds. */
  readonly deadlineMs?: number;
  /** Is told of breaks that last; `console` by default. */
  readonly logger?: Logger;
}

/** Reads SCHOOLBELL_TARGET, SCHOOLBELL_KEY or SCHOOLBELL_KEY_FILE, and SCHOOLBELL_CA_FILE. */
export function fromEnvironment(environment: NodeJS.ProcessEnv = process.env): Connection {
  const {
    SCHOOLBELL_TARGET: target,
    SCHOOLBELL_KEY: given,
    SCHOOLBELL_KEY_FILE: keyFile,
    SCHOOLBELL_CA_FILE: caFile,
  } = environment;
  if (given) {
    checkKey(given, "SCHOOLBELL_KEY");
  }
  const key = given || (keyFile ? readKey(keyFile) : undefined);
  return {
    ...(target ? { target } : {}),
    ...(key ? { key } : {}),
    ...(caFile ? { ca: readFile(caFile, "the authority (SCHOOLBELL_CA_FILE)") } : {}),
  };
}

/** A connection with its defaults, and what gRPC is given for it. */
export class CheckedConnection {
  readonly target: string;
  readonly plaintext: boolean;
  readonly deadlineMs: number;
  readonly logger: Logger;
  readonly hasClientCertificate: boolean;
  /** Whether a token source gives the token of each call. */
  readonly hasToken: boolean;
  /** How to speak TLS to the server. */
  readonly tls: SecureContextOptions;
  readonly #key: string;
  readonly #token: TokenSource | undefined;

  /** Refuses what gRPC would call UNAVAILABLE forever. */
  constructor(given: Connection) {
    this.target = given.target || DEFAULT_TARGET;
    this.plaintext = given.plaintext ?? false;
    this.deadlineMs = given.deadlineMs || DEFAULT_DEADLINE_MS;
    this.logger = given.logger ?? console;
    this.hasClientCertificate = given.clientCertificate !== undefined;
    this.hasToken = given.token !== undefined;
    this.#key = given.key ?? "";
    this.#token = given.token;
    checkTarget(this.target);
    checkKey(this.#key, "the connection's key");
    if (this.#key && this.#token) {
      throw new BadConnection("a connection has a key or a token source, not both");
    }
    if (this.plaintext && !isLoopback(this.target)) {
      throw new BadConnection(`plaintext is for loopback only, not for ${JSON.stringify(this.target)}`);
    }
    this.tls = tlsOptions(given);
  }

  /** Returns the credentials of the channel. */
  channelCredentials(): ChannelCredentials {
    return this.plaintext
      ? credentials.createInsecure()
      : ChannelCredentials.createFromSecureContext(createSecureContext(this.tls));
  }

  /** Returns how the channel is set up. */
  channelOptions(): ChannelOptions {
    return {
      "grpc.primary_user_agent": USER_AGENT,
      "grpc.service_config": RETRIES,
      "grpc.service_config_disable_resolution": 1,
      "grpc.max_receive_message_length": MESSAGE_LIMIT,
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 5_000,
      "grpc.use_local_subchannel_pool": 1, // so that closing a client closes its connections
      // A proxy of the environment cannot reach this very machine.
      "grpc.enable_http_proxy": isLoopback(this.target) ? 0 : 1,
    };
  }

  /** Returns the headers of every call. */
  metadata(): Metadata {
    const made = new Metadata();
    if (this.#key) {
      made.set("authorization", `Bearer ${this.#key}`);
    }
    return made;
  }

  /** Returns what asks the token source at each call; undefined without one. */
  callCredentials(): CallCredentials | undefined {
    const source = this.#token;
    if (source === undefined) {
      return undefined;
    }
    return credentials.createFromMetadataGenerator((_, callback) => {
      bearer(source).then((metadata) => callback(null, metadata), callback);
    });
  }
}

async function bearer(source: TokenSource): Promise<Metadata> {
  try {
    const token = await source();
    checkKey(token, "the token source");
    const made = new Metadata();
    made.set("authorization", `Bearer ${token}`);
    return made;
  } catch (error) {
    const code = error instanceof SchoolbellError ? error.code : Code.UNAUTHENTICATED;
    throw Object.assign(new Error((error as Error).message), { code });
  }
}

function tlsOptions(given: Connection): SecureContextOptions {
  const options: SecureContextOptions = { minVersion: "TLSv1.2" };
  if (given.ca !== undefined) {
    options.ca = pem(given.ca);
    checkAuthority(options.ca);
  }
  if (given.clientCertificate !== undefined) {
    options.cert = pem(given.clientCertificate.certificate);
    options.key = pem(given.clientCertificate.key);
  }
  try {
    createSecureContext(options);
  } catch (error) {
    const text = `the client certificate and its key cannot be used: ${(error as Error).message}`;
    throw new BadConnection(text, { cause: error });
  }
  return options;
}

function pem(given: string | Uint8Array): string {
  return typeof given === "string" ? given : new TextDecoder().decode(given);
}

function checkAuthority(text: string): void {
  try {
    new X509Certificate(CERTIFICATE.exec(text)?.[0] ?? "");
  } catch (error) {
    throw new BadConnection("the authority (CA file) holds no certificate in PEM", { cause: error });
  }
}
