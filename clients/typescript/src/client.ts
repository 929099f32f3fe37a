import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

import { Caller, type CallOptions, type Requests } from "./calls.js";
import { CheckedConnection, type Connection } from "./connection.js";
import { AccessService } from "./gen/schoolbell/v1/access_service_pb.js";
import { ChangeService } from "./gen/schoolbell/v1/change_service_pb.js";
import { DeviceService } from "./gen/schoolbell/v1/device_service_pb.js";
import { DistrictService } from "./gen/schoolbell/v1/district_service_pb.js";
import { RosterService } from "./gen/schoolbell/v1/roster_service_pb.js";
import { SettingsService } from "./gen/schoolbell/v1/settings_service_pb.js";
import { StatusService, type WatchStatusRequestSchema } from "./gen/schoolbell/v1/status_service_pb.js";
import { SubscriptionService } from "./gen/schoolbell/v1/subscription_service_pb.js";
import { Publisher } from "./publisher.js";
import { Watcher } from "./watcher.js";

/** A call of a method of the contract; plain objects are made messages. */
export type Call<Method> = Method extends {
  methodKind: infer Kind;
  input: infer Input extends DescMessage;
  output: infer Output extends DescMessage;
}
  ? Kind extends "unary"
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Kind extends "server_streaming"
      ? (request: MessageInitShape<Input>, options?: CallOptions) => AsyncGenerator<MessageShape<Output>, void, undefined>
      : Kind extends "client_streaming"
        ? (requests: Requests<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
        : (requests: Requests<Input>, options?: CallOptions) => AsyncGenerator<MessageShape<Output>, void, undefined>
  : never;

/** The calls of a service of the contract. */
export type Service<Desc extends DescService> = {
  readonly [Name in keyof Desc["method"]]: Call<Desc["method"][Name]>;
};

/**
 * A connection to Schoolbell with the calls of each service. It connects at the first call. Every error
 * of a call is a `SchoolbellError`.
 */
export class Client implements Disposable {
  readonly access: Service<typeof AccessService>;
  readonly changes: Service<typeof ChangeService>;
  readonly devices: Service<typeof DeviceService>;
  readonly districts: Service<typeof DistrictService>;
  readonly roster: Service<typeof RosterService>;
  readonly settings: Service<typeof SettingsService>;
  readonly status: Service<typeof StatusService>;
  readonly subscriptions: Service<typeof SubscriptionService>;
  readonly #caller: Caller;

  /** Throws `BadConnection` for a connection that could never work. */
  constructor(connection: Connection) {
    this.#caller = new Caller(new CheckedConnection(connection));
    this.access = this.service(AccessService);
    this.changes = this.service(ChangeService);
    this.devices = this.service(DeviceService);
    this.districts = this.service(DistrictService);
    this.roster = this.service(RosterService);
    this.settings = this.service(SettingsService);
    this.status = this.service(StatusService);
    this.subscriptions = this.service(SubscriptionService);
  }

  /** Returns the calls of a service by its description. */
  service<Desc extends DescService>(description: Desc): Service<Desc> {
    const calls = description.methods.map((method) => [method.localName, this.#call(method)]);
    return Object.fromEntries(calls) as Service<Desc>;
  }

  /** Opens a publisher for a district. Close it. */
  newPublisher(districtId: string): Publisher {
    return new Publisher(this.#caller, districtId);
  }

  /**
   * Opens a watcher; the request's resume token is where to begin. It reads no further than its updates
   * are taken. Close it, or leave the loop over it.
   */
  watch(request: MessageInitShape<typeof WatchStatusRequestSchema>): Watcher {
    return new Watcher(this.#caller, request);
  }

  /** Ends the connection and all its calls. Close publishers before, so that nothing is lost. */
  close(): void {
    this.#caller.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #call(method: DescMethod): unknown {
    const caller = this.#caller;
    switch (method.methodKind) {
      case "unary":
        return caller.unary.bind(caller, method);
      case "server_streaming":
        return caller.read.bind(caller, method);
      case "client_streaming":
        return caller.write.bind(caller, method);
      case "bidi_streaming":
        return caller.converse.bind(caller, method);
    }
  }
}
