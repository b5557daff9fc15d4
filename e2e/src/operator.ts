import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import {
  AgentState,
  type Device,
  type DeviceEvent,
  FailureCode,
  Outcome,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { RejectCode } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";

/** How an attempt ended, by the names of the contract; what was not set is left out. */
export type Ended = {
  readonly revision: number;
  readonly outcome: keyof typeof Outcome;
  readonly failure?: keyof typeof FailureCode;
  readonly reject?: keyof typeof RejectCode;
  readonly message: string;
};

/** What an operator's program sees of the fleet, through the API and nothing else. */
export class Operator {
  readonly publish: Client<typeof PublishService>;
  readonly channels: Client<typeof ChannelService>;
  readonly devices: Client<typeof CheckinService>;
  readonly access: Client<typeof AccessService>;

  constructor(server: string, token: string) {
    const authorize: Interceptor = (next) => (request) => {
      request.header.set("authorization", `Bearer ${token}`);
      return next(request);
    };
    const transport = createConnectTransport({
      baseUrl: server,
      httpVersion: "1.1",
      interceptors: [authorize],
      defaultTimeoutMs: 20_000,
    });
    this.publish = createClient(PublishService, transport);
    this.channels = createClient(ChannelService, transport);
    this.devices = createClient(CheckinService, transport);
    this.access = createClient(AccessService, transport);
  }

  /** The device as the server knows it; undefined before its first report. */
  async device(deviceId: string): Promise<Device | undefined> {
    const { devices } = await this.devices.listDevices({ pageSize: 500 });
    return devices.find(({ id }) => id === deviceId);
  }

  /** How the attempts of a device ended, in the order of their events: one for each attempt. */
  async outcomes(deviceId: string): Promise<readonly string[]> {
    return (await this.events(deviceId)).flatMap(({ attempt }) =>
      attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED
        ? []
        : [nameOf(Outcome, attempt.outcome) ?? "UNSPECIFIED"],
    );
  }

  /** State and end of the attempt that the device reported last. */
  async lastEnded(deviceId: string): Promise<Ended | undefined> {
    const device = await this.device(deviceId);
    const attempt = device?.attempt;
    if (attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED) return undefined;
    if (device?.state !== AgentState.IDLE && device?.state !== AgentState.STUCK) return undefined;
    const failure = nameOf(FailureCode, attempt.failureCode);
    const reject = nameOf(RejectCode, attempt.rejectCode);
    return {
      revision: Number(attempt.revision),
      outcome: nameOf(Outcome, attempt.outcome) ?? "UNSPECIFIED",
      ...(failure === undefined ? {} : { failure }),
      ...(reject === undefined ? {} : { reject }),
      message: attempt.message,
    };
  }

  /** Every event of a device that the server keeps, oldest first. */
  async events(deviceId: string): Promise<DeviceEvent[]> {
    const events: DeviceEvent[] = [];
    let cursor = "";
    do {
      const page = await this.devices.listDeviceEvents({ deviceId, pageSize: 500, cursor });
      events.push(...page.events);
      cursor = page.nextCursor;
    } while (cursor !== "");
    return events.toReversed();
  }
}

/** The name of an enum's value; undefined: it was not set. */
export function nameOf<T extends Record<string, number>>(
  names: T,
  value: number,
): keyof T | undefined {
  if (value === 0) return undefined;
  return Object.entries(names).find(([, number]) => number === value)?.[0];
}
