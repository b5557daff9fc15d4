import { randomBytes } from "node:crypto";

import { supervisedActivation } from "./activation/supervised-activation.ts";
import type { Config } from "./config.ts";
import { jsonLog } from "./json-log.ts";
import { machineChance, machineClock } from "./machine-clock.ts";
import { machineHost, machineSpace } from "./machine-host.ts";
import { nodeNix } from "./nix/node-nix.ts";
import type { Ports, Server } from "./ports.ts";
import { shellHealth } from "./shell-health.ts";
import { deviceKey } from "./state/device-key.ts";
import { journalFile } from "./state/journal-file.ts";
import { manifestStore } from "./state/manifest-store.ts";
import { nodeDisk } from "./state/node-disk.ts";
import { outbox } from "./state/outbox.ts";
import { trustFile } from "./state/trust-file.ts";
import { systemLinks } from "./system-links.ts";

/** The ports of a real machine. */
export function machinePorts(config: Config, environment: Readonly<Record<string, string>>): Ports {
  const { stateDir, settings } = config;
  const clock = machineClock(settings.bootIdFile, settings.clock.synchronizedFile);
  return {
    disk: nodeDisk,
    clock,
    chance: machineChance,
    journal: journalFile(nodeDisk, stateDir),
    trust: trustFile(nodeDisk, stateDir, systemLinks),
    manifests: manifestStore(nodeDisk, stateDir),
    outbox: outbox(nodeDisk, stateDir),
    links: systemLinks,
    host: machineHost(environment),
    space: machineSpace,
    nix: nodeNix(
      {
        environment,
        trustedPublicKeys: config.cachePublicKeys,
        connectTimeoutS: settings.nix.connectTimeoutS,
        stallTimeoutS: settings.nix.stallTimeoutS,
        downloadAttempts: settings.nix.downloadAttempts,
        limitMs: settings.nix.commandMs,
        closureLimitMs: settings.nix.closureMs,
      },
      { ...settings.fetch, minFreeBytes: config.minFreeBytes },
      clock,
      machineSpace,
    ),
    activation: supervisedActivation(nodeDisk, clock, stateDir, environment, settings.activation),
    health: shellHealth(environment, settings.failedUnitsCmd, settings.probation),
    server: lazyServer(config, clock),
    log: jsonLog,
  };
}

/** Connect is loaded with the first call: `status` and commands that make none start without it. */
function lazyServer(config: Config, clock: Ports["clock"]): Server {
  const { stateDir, deviceId, channel, target, server, settings } = config;
  let opened: Promise<Server> | undefined;
  const open = async () => {
    const { connectServer } = await import("./server/connect-server.ts");
    const seed = await deviceKey(nodeDisk, stateDir, deviceId, () => randomBytes(32));
    return connectServer(
      nodeDisk,
      clock,
      stateDir,
      { serverUrl: server, deviceId, channel, target, seed },
      settings.server,
    );
  };
  const get = async () => await (opened ??= open());
  return {
    checkIn: async (...call) => await (await get()).checkIn(...call),
    current: async (...call) => await (await get()).current(...call),
    listing: async (...call) => await (await get()).listing(...call),
  };
}
