import { create } from "@bufbuild/protobuf";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";

import { machineChance, machineClock } from "../machine-clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Server } from "../ports/server.ts";
import { memoryDisk } from "../state/memory-disk.testkit.ts";
import { connectServer } from "./connect-server.ts";
import type { ServerParts, ServerSettings } from "./connect-server.ts";

/** Seconds and minutes as tenths of seconds. */
const settings: ServerSettings = {
  callMs: 5_000,
  readMaxBytes: 64 * 1024,
  listingMaxBytes: 64 * 1024,
  pingMs: 25_000,
  pingTimeoutMs: 15_000,
  firstWordMs: 400,
  silenceMs: 600,
  settleMs: 60_000,
  reconnectWindowMs: 20,
  reconnectMaxMs: 40,
  climbFirstMs: 60_000,
  climbMaxMs: 60_000,
  pushSpreadMs: 0,
  pushRestMs: 0,
};

/** The server as a device of its own has it, with an empty disk unless one is given. */
export function loopbackDevice(
  serverUrl: string,
  parts: Partial<Pick<ServerParts, "transport" | "log">> & {
    readonly settings?: Partial<ServerSettings>;
    readonly enrolmentToken?: string;
    /** Default: an empty one in memory. */
    readonly disk?: Disk;
    readonly stateDir?: string;
  } = {},
): Server {
  return connectServer({
    disk: parts.disk ?? memoryDisk(),
    clock: machineClock("/proc/sys/kernel/random/boot_id", ""),
    chance: machineChance,
    log: parts.log ?? (() => undefined),
    stateDir: parts.stateDir ?? "/state",
    identity: {
      serverUrl,
      deviceId: "fridge",
      channel: "prod",
      target: "",
      seed: new Uint8Array(32).fill(7),
      enrolmentToken: async () => await Promise.resolve(parts.enrolmentToken ?? ""),
    },
    transport: parts.transport ?? "auto",
    caCertificates: undefined,
    settings: { ...settings, ...parts.settings },
  });
}

/** A report with events of these ids. */
export const reportOf = (...ids: string[]) =>
  create(ReportSchema, {
    deviceId: "fridge",
    channel: "prod",
    events: ids.map((id, index) => ({ id, number: BigInt(index + 1) })),
  });
