import type { Agent } from "../agent.ts";
import type { Attempt, Plan } from "../attempt.ts";
import { rebootRequired } from "../boot-parts.ts";
import type { Event } from "../events.ts";
import type { FailureCodeName } from "../failure.ts";
import { guardAgainstOrphaning } from "../orphan-guard.ts";
import { switchInhibitor } from "../switch-inhibitor.ts";
import { bootShortage } from "./boot-space.ts";
import { contentsPinned, contentsWhole } from "./closure-contents.ts";
import type { Step } from "./effect-result.ts";
import { storedManifest } from "./stored-manifest.ts";

const unusable = (code: FailureCodeName, message: string): Event => ({
  on: "unusable",
  failure: { code, message },
});

/** Looks at everything about a closure that can be known without running it. */
export const inspect: Step<"inspect"> = async (agent, { attempt }, signal) => {
  const { ports, config } = agent;
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };
  const { manifest, envelope, copy } = opened;

  const failure =
    (await contentsWhole(agent, copy, signal)) ??
    (await contentsPinned(agent, copy, manifest.closureDigest, attempt, signal));
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
  const candidate = guardAgainstOrphaning(
    { deviceId: config.deviceId, system },
    {
      agentJson: await ports.links.systemFile(attempt.storePath, "etc/nix-ota/agent.json"),
      startsAgent: await ports.links.startsUnit(attempt.storePath, "nix-ota-agent.service"),
      startsBootService: await ports.links.startsUnit(attempt.storePath, "nix-ota-boot.service"),
      hasProgram: await ports.links.runnable(attempt.storePath, "sw/bin/nix-ota-agent"),
      allowAgentRemoval: manifest.allowAgentRemoval,
      envelope,
    },
  );
  if (typeof candidate === "string") return unusable("ORPHANED", candidate);
  const tooFull = await bootShortage(agent, attempt.storePath);
  if (tooFull !== undefined) return unusable("NO_SPACE", tooFull);
  return { on: "inspected", plan: await planFor(agent, attempt, candidate.healthCmd, signal) };
};

/** Why the closure cannot be run live; undefined: it can. */
async function inhibitor({ ports }: Agent, attempt: Attempt): Promise<string | undefined> {
  const running = await ports.links.running();
  if (running === "") return undefined;
  const files = async (system: string) => ({
    initInterface: await ports.links.systemFile(system, "init-interface-version"),
    inhibitors: await ports.links.systemFile(system, "switch-inhibitors"),
  });
  return switchInhibitor(await files(running), await files(attempt.storePath));
}

async function planFor(
  agent: Agent,
  attempt: Attempt,
  healthCmd: string,
  signal: AbortSignal,
): Promise<Plan> {
  const { ports, config, notebook } = agent;
  const before =
    config.healthCmd === "" ? undefined : await ports.health.check(config.healthCmd, {}, signal);
  if (before !== undefined && before.health !== "passed") {
    ports.log("warn", "the running system's health command does not pass", {
      detail: before.detail,
    });
  }
  const inhibited = await inhibitor(agent, attempt);
  if (inhibited !== undefined)
    ports.log("info", `the closure cannot run without a reboot: ${inhibited}`);
  return {
    order: inhibited === undefined ? config.activation : "boot",
    rebootRequired: inhibited !== undefined || (await rebootRequired(ports, attempt.storePath)),
    oneShot: await ports.loader.oneShot(signal),
    healthCmd,
    healthyBefore: before === undefined || before.health === "passed",
    inspected: notebook.now(),
  };
}
