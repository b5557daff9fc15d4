import type { Agent } from "../agent.ts";
import type { Attempt, Plan } from "../attempt.ts";
import type { Event } from "../events.ts";
import type { FailureCodeName } from "../failure.ts";
import { guardAgainstOrphaning } from "../orphan-guard.ts";
import type { BootPart, SystemFile } from "../ports.ts";
import { contentsPinned, contentsWhole } from "./closure-contents.ts";
import type { Step } from "./effect-result.ts";
import { storedManifest } from "./stored-manifest.ts";

const BOOT_PARTS: readonly BootPart[] = ["kernel", "initrd", "kernel-modules"];

const unusable = (code: FailureCodeName, message: string): Event => ({
  on: "unusable",
  failure: { code, message },
});

/** Looks at everything about a closure that can be known without running it. */
export const inspect: Step<"inspect"> = async (agent, { attempt }, signal) => {
  const { ports, config } = agent;
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };
  const { manifest, copy } = opened;

  const failure =
    (await contentsWhole(agent, copy, signal)) ??
    (await contentsPinned(agent, copy, manifest.closureDigest, signal));
  if (failure !== undefined) return { on: "unusable", failure };
  // Before anything names the closure: a profile that reaches the disk ahead of the files it names
  // would boot files of zero bytes.
  await ports.nix.syncStore(signal);

  const system = (await ports.links.systemFile(attempt.storePath, "system"))?.trim();
  const switchable = await ports.links.runnable(attempt.storePath, "bin/switch-to-configuration");
  if (system === undefined || !switchable) {
    return unusable(
      "NOT_A_SYSTEM",
      `${attempt.storePath} is no NixOS system with a switch-to-configuration; publish its toplevel`,
    );
  }
  if (system !== ports.host.system()) {
    return unusable(
      "WRONG_SYSTEM",
      `the closure is for ${system}, this machine is ${ports.host.system()}`,
    );
  }
  const file = async (name: SystemFile) => await ports.links.systemFile(attempt.storePath, name);
  const candidate = guardAgainstOrphaning(config, {
    agentJson: await file("etc/nix-ota/agent.json"),
    hasAgentUnit: (await file("etc/systemd/system/nix-ota-agent.service")) !== undefined,
    hasBootService: (await file("etc/systemd/system/nix-ota-boot.service")) !== undefined,
    hasProgram: await ports.links.runnable(attempt.storePath, "sw/bin/nix-ota-agent"),
    allowAgentRemoval: manifest.allowAgentRemoval,
    allowKeyChange: manifest.allowKeyChange,
    nextChannel: manifest.nextChannel,
  });
  if (typeof candidate === "string") return unusable("ORPHANED", candidate);
  if (await needsBoot(agent, attempt)) {
    return unusable(
      "ACTIVATION_REFUSED",
      "the closure has another init interface than the running system and cannot be proven without a reboot; install it by hand with `boot`",
    );
  }
  return { on: "inspected", plan: await planFor(agent, attempt, candidate.healthCmd, signal) };
};

/** A live switch between two init interfaces is refused by switch-to-configuration with status 100. */
async function needsBoot({ ports }: Agent, attempt: Attempt): Promise<boolean> {
  const running = await ports.links.running();
  const [before, after] = [
    await ports.links.systemFile(running, "init-interface-version"),
    await ports.links.systemFile(attempt.storePath, "init-interface-version"),
  ];
  return running !== "" && before !== after;
}

async function planFor(
  agent: Agent,
  attempt: Attempt,
  healthCmd: string,
  signal: AbortSignal,
): Promise<Plan> {
  const { ports, config } = agent;
  const before =
    config.healthCmd === "" ? undefined : await ports.health.check(config.healthCmd, {}, signal);
  if (before !== undefined && before.health !== "passed") {
    ports.log("warn", "the running system's health command does not pass", {
      detail: before.detail,
    });
  }
  return {
    order: config.activation,
    rebootRequired: await rebootRequired(agent, attempt),
    healthCmd,
    healthyBefore: before === undefined || before.health === "passed",
  };
}

async function rebootRequired({ ports }: Agent, attempt: Attempt): Promise<boolean> {
  const booted = (await ports.links.booted()) || (await ports.links.running());
  for (const part of BOOT_PARTS) {
    if (
      (await ports.links.part(booted, part)) !== (await ports.links.part(attempt.storePath, part))
    )
      return true;
  }
  const parameters = async (system: string) =>
    await ports.links.systemFile(system, "kernel-params");
  return (await parameters(booted)) !== (await parameters(attempt.storePath));
}
