import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";

import { AgentError } from "./agent-error.ts";
import type { DeadManProgram } from "./beside/dead-man.ts";
import { runningAgent } from "./beside/running-agent.ts";
import { supervision } from "./beside/supervision.ts";
import { serviceManager } from "./beside/systemd.ts";
import { bootctlLoader } from "./boot/bootctl-loader.ts";
import { commandPower } from "./boot/command-power.ts";
import type { Config } from "./config.ts";
import type { RunningAgent } from "./dead-man.ts";
import { inhibitionGate } from "./inhibition/gate.ts";
import { machineChance, machineClock } from "./machine-clock.ts";
import { machineHost, machineSpace } from "./machine-host.ts";
import { machineLog } from "./machine-log.ts";
import { nodeNix } from "./nix/node-nix.ts";
import { otherAgents } from "./other-agents.ts";
import type { Disk } from "./ports/disk.ts";
import type { Ports } from "./ports/ports.ts";
import type { Server } from "./ports/server.ts";
import { quietPolls } from "./quiet/quiet-polls.ts";
import { bundleStore } from "./state/bundle-store.ts";
import { claimFile } from "./state/claim-file.ts";
import { deviceKey } from "./state/device-key.ts";
import { journalFile } from "./state/journal-file.ts";
import { ledgerFile } from "./state/ledger-file.ts";
import { manifestStore } from "./state/manifest-store.ts";
import { nodeDisk } from "./state/node-disk.ts";
import { outbox } from "./state/outbox.ts";
import { postponementFile } from "./state/postponement-file.ts";
import { requestBox } from "./state/request-box.ts";
import { serverNoteFile } from "./state/server-note-file.ts";
import { trustFile } from "./state/trust-file.ts";
import { systemLinks } from "./system-links.ts";
import { noOverseer } from "./systemd/service-overseer.ts";
import { noSuccession } from "./systemd/succession.ts";

/**
 * The ports of a real machine. Everything that the agent keeps goes through `disk`.
 *
 * @param deadManProgram what the dead-man runs where the system to return to has no agent.
 * @param configPath file that the configuration was read from; without it each poll is a whole one.
 */
export function machinePorts(
  config: Config,
  environment: Readonly<Record<string, string>>,
  deadManProgram: DeadManProgram,
  { disk = nodeDisk, configPath }: { readonly disk?: Disk; readonly configPath?: string } = {},
): Ports {
  const { stateDir, settings } = config;
  const bytesPerS = config.bandwidthLimit ?? 0;
  const clock = machineClock(settings.bootIdFile, settings.clock.synchronizedFile);
  const server = lazyServer(config, clock, disk);
  return {
    disk,
    clock,
    chance: machineChance,
    journal: journalFile(disk, stateDir),
    trust: trustFile(disk, stateDir, systemLinks),
    manifests: manifestStore(disk, stateDir),
    outbox: outbox(disk, stateDir),
    serverNotes: serverNoteFile(disk, stateDir),
    requests: requestBox(disk, stateDir),
    bundles: bundleStore(disk, stateDir, environment),
    links: systemLinks,
    claims: claimFile(disk, stateDir),
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
        bytesPerS,
        oneByOne: config.byteBudget !== null,
      },
      { ...settings.fetch, bytesPerS, minFreeBytes: config.minFreeBytes },
      clock,
      machineSpace,
    ),
    ...supervision(serviceManager(config.supervisor, environment), {
      disk,
      clock,
      chance: machineChance,
      stateDir,
      environment,
      failedUnitsCmd: settings.failedUnitsCmd,
      activation: settings.activation,
      probation: settings.probation,
      deadMan: settings.deadMan,
      deadManProgram,
    }),
    otherAgents: otherAgents(environment, settings.selfTest),
    loader: bootctlLoader(environment, settings.boot),
    power: commandPower(environment, settings.rebootCmd, settings.boot),
    server,
    overseer: noOverseer,
    succession: noSuccession,
    quiet: quietPolls(disk, clock, server, config, configPath),
    inhibition: inhibitionGate(disk, stateDir, environment),
    postponements: postponementFile(disk, stateDir, environment),
    ledgers: ledgerFile(disk, stateDir),
    log: machineLog,
  };
}

/** The agent that is, or should be, at work on this machine. */
export function machineAgent(
  { stateDir, supervisor }: Config,
  environment: Readonly<Record<string, string>>,
): RunningAgent {
  return runningAgent(`${stateDir}/lock`, environment, serviceManager(supervisor, environment));
}

/** Connect is loaded with the first call: `status` and commands that make none start without it. */
function lazyServer(config: Config, clock: Ports["clock"], disk: Disk): Server {
  const { stateDir, deviceId, channel, target, server, settings } = config;
  let opened: Promise<Server> | undefined;
  let there: Server | undefined;
  const open = async () => {
    const { connectServer } = await import("./server/connect-server.ts");
    const seed = await deviceKey(disk, stateDir, deviceId, () => randomBytes(32));
    const enrolmentToken = async () => await tokenIn(config.enrolmentTokenFile);
    there = connectServer({
      disk,
      clock,
      chance: machineChance,
      log: machineLog,
      stateDir,
      identity: { serverUrl: server, deviceId, channel, target, seed, enrolmentToken },
      transport: config.transport,
      caCertificates: await caCertificates(config.serverCaFile),
      settings: { ...settings.server, ...settings.link, pushRestMs: settings.poll.minMs },
    });
    return there;
  };
  const get = async () => await (opened ??= open());
  return {
    introduce: async (...call) => await (await get()).introduce(...call),
    checkIn: async (...call) => await (await get()).checkIn(...call),
    follow: async (...call) => await (await get()).follow(...call),
    pushed: async (...call) => await (await get()).pushed(...call),
    spareNumbers: () => there?.spareNumbers(),
    rung: () => there?.rung() ?? "poll",
    current: async (...call) => await (await get()).current(...call),
    listing: async (...call) => await (await get()).listing(...call),
    giveBack: async (...call) => await (await get()).giveBack(...call),
  };
}

async function caCertificates(file: string | null): Promise<string | undefined> {
  if (file === null) return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new AgentError("config", `serverCaFile ${file} cannot be read`, cause);
  }
}

/** Kind `tool`: the device asks again later, when somebody may have put the file right. */
async function tokenIn(file: string | null): Promise<string> {
  if (file === null) return "";
  try {
    return (await readFile(file, "utf8")).trim().slice(0, 128);
  } catch (cause) {
    throw new AgentError("tool", `enrolmentTokenFile ${file} cannot be read`, cause);
  }
}
