import type { Device } from "./device.ts";

/** What an agent of a test is told beyond `agentConfig`'s own; the keys are those of the file. */
export type AgentConfig = Readonly<Record<string, unknown>>;

export type AgentSurroundings = {
  readonly server: string;
  readonly channel: string;
  /** Pinned manifest key, as keygen prints it. */
  readonly publicKey: string;
  readonly caches: readonly { readonly url: string; readonly publicKey: string }[];
};

/** Health as synthetic systems answer it. */
export const HEALTH_COMMAND = "/run/current-system/sw/bin/sim-health";

/**
 * Limits for a device that lives seconds: everything that the agent waits for in hours or minutes
 * takes fractions of a second here, in the same order as the defaults.
 */
const QUICK_SETTINGS = {
  poll: { minMs: 50, maxMs: 2_000, defaultMs: 300, backoffFirstMs: 100, backoffMaxMs: 1_000 },
  nix: { connectTimeoutS: 3, stallTimeoutS: 3, downloadAttempts: 1 },
  fetch: { stallMs: 3_000, sampleMs: 100, retryFirstMs: 100, retryMaxMs: 300 },
  activation: { limitMs: 6_000, graceMs: 500, watchMs: 20, busyTries: 5, busyWaitMs: 200 },
  probation: { limitMs: 6_000, runMs: 2_000, passIntervalMs: 200 },
  rollback: { retryMs: 200, contactMs: 1_000 },
  attempts: { retryFirstMs: 100, retryMaxMs: 200 },
};

/** Per-device places that a closure for many devices can name: `FleetDevice` makes them. */
export const DEVICE_ID_FILE = "/etc/nix-ota/device-id";
export const STATE_LINK = "/etc/nix-ota/state";

/** What a closure for many devices carries: id and state directory are those of the device it runs on. */
export function closureConfig(surroundings: AgentSurroundings): AgentConfig {
  return { ...anyDevice(surroundings), deviceIdFile: DEVICE_ID_FILE, stateDir: STATE_LINK };
}

/**
 * The same for machines with systemd, where nothing is simulated; `SystemdMachine` gives each its id.
 * A switch there takes the time that real units take.
 */
export function systemdConfig(
  surroundings: AgentSurroundings,
  { settings, ...keys }: AgentConfig = {},
): AgentConfig {
  return {
    ...anyDevice(surroundings),
    deviceIdFile: DEVICE_ID_FILE,
    ...keys,
    settings: {
      ...QUICK_SETTINGS,
      activation: { limitMs: 60_000, graceMs: 500, watchMs: 20, busyTries: 5, busyWaitMs: 200 },
      probation: { limitMs: 20_000, runMs: 10_000, passIntervalMs: 200 },
      ...(settings as AgentConfig | undefined),
    },
  };
}

/** The file of an agent on a device without systemd, between loopback servers. */
export function agentConfig(
  device: Device,
  surroundings: AgentSurroundings,
  more: AgentConfig = {},
): AgentConfig {
  const { settings, ...keys } = more;
  const common = anyDevice(surroundings);
  return {
    ...common,
    deviceId: device.name,
    stateDir: device.stateDir,
    ...keys,
    settings: {
      ...(common["settings"] as AgentConfig),
      ...(settings as AgentConfig | undefined),
    },
  };
}

function anyDevice(surroundings: AgentSurroundings): AgentConfig {
  const [own, ...others] = surroundings.caches;
  return {
    server: surroundings.server,
    channel: surroundings.channel,
    publicKey: surroundings.publicKey,
    cacheUrl: own?.url,
    cachePublicKey: own?.publicKey,
    extraSubstituters: others.map(({ url }) => url),
    extraCachePublicKeys: others.map(({ publicKey }) => publicKey),
    healthCmd: HEALTH_COMMAND,
    allowInsecureServer: true,
    allowInsecureCache: true,
    minFreeBytes: 0,
    pollInterval: 0.3,
    settings: {
      ...QUICK_SETTINGS,
      bootIdFile: "/run/boot-id",
      failedUnitsCmd: "ls /run/sim/failed-units 2>/dev/null",
    },
  };
}
