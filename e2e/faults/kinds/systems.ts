import type { FailureCodeName } from "@nix-ota/agent/failure";

import type { Fault } from "../fault.ts";
import type { ReleaseName } from "../releases.ts";

/** What the offered system itself does wrong. */
export const systems = {
  exit1: {
    ...offers("exit1", "switch-to-configuration refuses with status 1"),
    // One that has to be booted is asked only once it runs and is to become the default.
    failure: ["ACTIVATION_REFUSED", "COMMIT_FAILED"],
  },
  exit2: offers("exit2", "a snippet of the activation script fails: status 2", "ACTIVATION_FAILED"),
  exit3: offers("exit3", "systemd cannot reload its units: status 3", "ACTIVATION_FAILED"),
  exit4: offers("exit4", "a unit fails that had not failed before: status 4", "UNITS_FAILED"),
  exit4Before: {
    ...offers("exit4Before", "a unit fails that had failed before, too: status 4"),
    prepare: async ({ device }) => {
      await device.run(["tee", "/run/sim/failed-units/printer.service"], { input: "" });
    },
  },
  exit11: {
    says: "another switch holds the lock: status 11",
    failure: "SWITCH_BUSY",
    lasts: "until it moves",
    config: {
      settings: { activation: { busyTries: 4, busyWaitMs: 100 }, rollback: { retryMs: 1_000 } },
    },
    strike: async (subject) => {
      await subject.device.run(["mkdir", "-p", "/run/nixos"]);
      const lock = "/run/nixos/switch-to-configuration.lock";
      const holder = await subject.beside(["flock", "--no-fork", lock, "sleep", "100"]);
      return () => holder.kill("SIGKILL");
    },
  },
  crashes: offers("crashes", "switch-to-configuration is killed", "ACTIVATION_FAILED"),
  empty: offers("empty", "switch-to-configuration is a file of no bytes", "NOT_A_SYSTEM"),
  activationHangs: quickly("stuckUnits", "switch-to-configuration hangs"),
  activationDeaf: quickly("deafUnits", "switch-to-configuration hangs and ignores SIGTERM"),
  noLoader: offers("noLoader", "the boot loader cannot be written"),
  sick: offers("sick", "the health command fails", "HEALTH_FAILED"),
  flaps: offers("flaps", "the health command passes every other time", "HEALTH_FAILED"),
  healthHangs: {
    ...offers("hangs", "the health command hangs", "HEALTH_FAILED"),
    config: { settings: { probation: { limitMs: 1_000, runMs: 500 } } },
  },
  noHealth: offers("noHealth", "the health command cannot be run", "HEALTH_NOT_RUN"),
  sickBefore: {
    ...offers("sick", "the health command fails as it did before"),
    prepare: async ({ device }) => {
      await device.run(["tee", "/run/sim/health"], { input: "down\n" });
    },
  },
  orphans: offers("orphans", "the system has no agent", "ORPHANED"),
  agentMissing: offers("agentMissing", "the system lacks its agent's program", "ORPHANED"),
  noBootService: offers("noBootService", "the system lacks its agent's boot service", "ORPHANED"),
  agentBroken: offers("agentBroken", "the system's agent ends at once", "AGENT_UNFIT"),
  agentHangs: {
    ...offers("agentHangs", "the system's agent hangs", "AGENT_UNFIT"),
    config: { settings: { selfTest: { limitMs: 2_000 } } },
  },
  agentUnfit: offers("agentUnfit", "the system's agent finds itself unfit", "AGENT_UNFIT"),
} as const satisfies Record<string, Fault>;

function offers(release: ReleaseName, says: string, failure?: FailureCodeName) {
  return { says, release, ...(failure === undefined ? {} : { failure }) };
}

function quickly(release: ReleaseName, says: string) {
  return {
    ...offers(release, says, "ACTIVATION_TIMEOUT"),
    config: { settings: { activation: { limitMs: 1_500 } } },
  };
}
