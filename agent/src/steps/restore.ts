import type { Agent } from "../agent.ts";
import type { Attempt, WayBack } from "../attempt.ts";
import { checkIn } from "../check-in.ts";
import type { Event } from "../events.ts";
import type { Step } from "./effect-result.ts";
import { runSwitch } from "./run-switch.ts";
import { switchedByOthers } from "./switched-by-others.ts";

const unrestored = (message: string): Event => ({
  on: "unrestored",
  failure: { code: "ROLLBACK_FAILED", message },
});

/**
 * Back to what was recorded, never to "the generation before", which need not be what ran. The
 * profile comes first: a power cut on the way then boots the previous system.
 */
export const restore: Step<"restore"> = async (agent, { attempt, prev, reach, tries }, signal) => {
  const { ports } = agent;
  // An agent that hung or died may have left a switch running, and nothing may switch beside a return.
  for (const run of ["activate", "loader"])
    await ports.activation.end(`${attempt.id}-${run}`, signal);
  const running = await ports.links.running();
  // What ran need not be what the profile named; after a reboot the latter runs, and may go on.
  const home = running === prev.running || (reach === "profile" && running === prev.profile);
  if (running !== attempt.storePath && !home) return switchedByOthers(running);
  if (reach !== "live") {
    const said = await restoreProfile(agent, attempt, prev, signal);
    if (said !== undefined)
      return unrestored(`the system profile could not be brought back: ${said}`);
  }
  if (reach !== "profile" || !home) {
    const said = await switchTo(
      agent,
      `${attempt.id}-return-${tries}`,
      prev.running,
      "test",
      signal,
    );
    if (said !== undefined)
      return unrestored(`the previous system could not be activated: ${said}`);
    if ((await ports.links.running()) !== prev.running) {
      return unrestored(
        `${prev.running} does not run although it was activated; repair the device by hand`,
      );
    }
  }
  if (reach !== "live") {
    const named = prev.profile === "" ? prev.running : prev.profile;
    const said = await switchTo(agent, `${attempt.id}-unload-${tries}`, named, "boot", signal);
    if (said !== undefined) return unrestored(`the boot loader could not be brought back: ${said}`);
  }
  return undefined;
};

async function restoreProfile(
  { ports }: Agent,
  attempt: Attempt,
  prev: WayBack,
  signal: AbortSignal,
): Promise<string | undefined> {
  const wanted = prev.profile === "" ? prev.running : prev.profile;
  const profile = await ports.links.profile();
  if (profile.storePath !== wanted) {
    const generations = await ports.links.generations();
    const kept = generations.some(
      ({ number, storePath }) => number === prev.generation && storePath === wanted,
    );
    const said = kept
      ? await ports.nix.switchGeneration(prev.generation, signal)
      : await ports.nix.setProfile(wanted, signal);
    if (said !== undefined) return said;
  }
  // The boot loader's builder lists every generation: the failed one must not stay bootable.
  for (const { number, storePath } of await ports.links.generations()) {
    if (storePath === attempt.storePath && number > prev.generation && storePath !== wanted) {
      const said = await ports.nix.deleteGeneration(number, signal);
      if (said !== undefined) return said;
    }
  }
  return undefined;
}

/** Status 4 is a unit that fails; for a return, the links are what counts. */
async function switchTo(
  agent: Agent,
  name: string,
  storePath: string,
  action: "test" | "boot",
  signal: AbortSignal,
): Promise<string | undefined> {
  const result = await runSwitch(agent, name, { storePath, action }, signal);
  if (result.ended !== "exited") return result.ended;
  if (result.code === 0 || (result.code === 4 && action === "test")) return undefined;
  return `status ${result.code}${result.tail === "" ? "" : ` (${result.tail})`}`;
}

/** Whether the previous system reaches the server: if it does not either, the closure cut nothing off. */
export const compareContact: Step<"compareContact"> = async (agent, { needed }, signal) => {
  if (!needed) return { on: "restored", inContact: true };
  const { ports, config } = agent;
  const deadlineMs = ports.clock.monotonicMs() + config.settings.rollback.contactMs;
  for (;;) {
    const answer = await checkIn(agent, signal, "a connection of its own");
    if (answer.got !== "silence") return { on: "restored", inContact: true };
    if (ports.clock.monotonicMs() >= deadlineMs) return { on: "restored", inContact: false };
    await ports.clock.sleep(Math.min(1000, config.settings.rollback.retryMs), signal);
  }
};
