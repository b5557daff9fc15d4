import type { Agent } from "../agent.ts";
import type { Attempt, WayBack } from "../attempt.ts";
import { checkIn } from "../check-in.ts";
import type { Event } from "../events.ts";
import { firstWayBack } from "../first-way-back.ts";
import { isWholeSystem } from "../whole-system.ts";
import { writeEntries } from "./boot-entries.ts";
import type { Step } from "./effect-result.ts";
import { rootIfRoom } from "./root-if-room.ts";
import { NEEDS_REBOOT, runSwitch } from "./run-switch.ts";
import { switchedByOthers } from "./switched-by-others.ts";

const unrestored = (message: string): Event => ({
  on: "unrestored",
  failure: { code: "ROLLBACK_FAILED", message },
});

/**
 * Back to what was recorded, never to "the generation before", which need not be what ran. The
 * profile comes first: a power cut on the way then boots the previous system.
 */
export const restore: Step<"restore"> = async (agent, effect, signal) => {
  const { attempt, prev, reach, tries, entries } = effect;
  const { ports } = agent;
  // What a stuck device could not return to stays known while a newer release is tried there.
  await rootIfRoom(agent, "return", firstWayBack(effect).running);
  // An agent that hung or died may have left a switch running, and nothing may switch beside a return.
  for (const run of ["activate", "entries"])
    await ports.activation.end(`${attempt.id}-${run}`, signal);
  const running = await ports.links.running();
  // What ran need not be what the profile named; after a reboot the latter runs, and may go on.
  const home = running === prev.running || (reach === "profile" && running === prev.profile);
  if (running !== attempt.storePath && !home) return switchedByOthers(running);
  const gone = await goneFrom(agent, prev, signal);
  if (gone !== undefined) return gone;
  if (reach !== "live") {
    const said = await restoreProfile(agent, attempt, prev, signal);
    if (said !== undefined)
      return unrestored(`the system profile could not be brought back: ${said}`);
  }
  if (reach === "live" || reach === "all" || (reach === "profile" && !home)) {
    const event = await runAgain(agent, `${attempt.id}-return-${tries}`, prev, signal);
    if (event !== undefined) return event;
  }
  // A reboot on the way has used up what the next boot alone was to start.
  if (reach !== "live" || entries.once !== "") {
    const failure = await writeEntries(agent, `${attempt.id}-unload-${tries}`, entries, signal);
    if (failure !== undefined) return unrestored(failure.message);
  }
  return undefined;
};

/** A device must not be rebooted towards a system that is not there. */
async function goneFrom(
  { ports }: Agent,
  { running, profile }: WayBack,
  signal: AbortSignal,
): Promise<Event | undefined> {
  for (const system of new Set([running, profile])) {
    if (system === "" || (await isWholeSystem(ports, system, signal))) continue;
    return {
      on: "prevGone",
      failure: {
        code: "NO_WAY_BACK",
        message: `${system}, the system to return to, is not whole in the store any more; publish a newer revision, or install a system by hand`,
      },
    };
  }
  return undefined;
}

/** Status 4 is a unit that fails; for a return, the links are what counts. */
async function runAgain(
  agent: Agent,
  name: string,
  prev: WayBack,
  signal: AbortSignal,
): Promise<Event | undefined> {
  const command = { storePath: prev.running, action: "test" as const };
  const result = await runSwitch(agent, name, command, signal);
  const how =
    result.ended === "exited"
      ? `status ${result.code}${result.tail === "" ? "" : ` (${result.tail})`}`
      : result.ended;
  const sentence = `the previous system could not be activated: ${how}`;
  if (result.ended === "exited" && result.code === NEEDS_REBOOT)
    return { on: "inhibited", failure: { code: "ROLLBACK_FAILED", message: sentence } };
  if (result.ended !== "exited" || (result.code !== 0 && result.code !== 4))
    return unrestored(sentence);
  return (await agent.ports.links.running()) === prev.running
    ? undefined
    : unrestored(
        `${prev.running} does not run although it was activated; repair the device by hand`,
      );
}

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

/** Whether the previous system reaches the server: if it does not either, the closure cut nothing off. */
export const compareContact: Step<"compareContact"> = async (agent, effect, signal) => {
  const { needed, booted } = effect;
  if (!needed) return { on: "restored", inContact: true };
  const { ports, config } = agent;
  const { contactMs, contactAfterBootMs } = config.settings.rollback;
  const deadlineMs = ports.clock.monotonicMs() + (booted ? contactAfterBootMs : contactMs);
  for (;;) {
    const answer = await checkIn(agent, signal, "a connection of its own");
    if (answer.got !== "silence") return { on: "restored", inContact: true };
    const over = answer.unasked === true || ports.clock.monotonicMs() >= deadlineMs;
    if (over) return { on: "restored", inContact: false };
    await ports.clock.sleep(Math.min(1000, config.settings.rollback.retryMs), signal);
  }
};
