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

/** The file of an agent on a device without systemd, between loopback servers. */
export function agentConfig(
  device: Device,
  surroundings: AgentSurroundings,
  more: AgentConfig = {},
): AgentConfig {
  const [own, ...others] = surroundings.caches;
  const { settings, ...keys } = more;
  return {
    server: surroundings.server,
    channel: surroundings.channel,
    deviceId: device.name,
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
    stateDir: device.stateDir,
    ...keys,
    settings: {
      ...QUICK_SETTINGS,
      bootIdFile: "/run/boot-id",
      failedUnitsCmd: "ls /run/sim/failed-units 2>/dev/null",
      ...(settings as AgentConfig | undefined),
    },
  };
}
