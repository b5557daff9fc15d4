import type { Agent } from "../agent.ts";
import type { BootEntries } from "../effects.ts";
import type { Event } from "../events.ts";
import type { Failure } from "../failure.ts";
import type { Step } from "./effect-result.ts";
import { runSwitch } from "./run-switch.ts";

/**
 * Lets the boot loader start a system by default, and perhaps another at the next boot alone. The
 * default's own switch-to-configuration writes all entries and makes itself the default, and its run
 * brings them to the disk.
 *
 * @param name of the run, unique in the attempt.
 * @returns the failure, or undefined when it is on the disk.
 */
export async function writeEntries(
  agent: Agent,
  name: string,
  { standard, once }: BootEntries,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { loader, links } = agent.ports;
  const generations = await links.generations();
  // A builder writes no entry for what is no generation, and the default would name nothing.
  if (!generations.some(({ storePath }) => storePath === standard))
    return failed(`${standard} is no generation of the system profile any more`);
  const result = await runSwitch(agent, name, { storePath: standard, action: "boot" }, signal);
  if (result.ended === "busy")
    return { code: "SWITCH_BUSY", message: "another switch of the system does not end" };
  if (result.ended !== "exited" || result.code !== 0) {
    const how = result.ended === "exited" ? `status ${result.code} (${result.tail})` : result.ended;
    return failed(`${how}; see to what it says, or check the space on /boot`);
  }
  // Also without one: what an earlier attempt asked for must not come up any more.
  const said = await loader.bootOnce(once === "" ? undefined : once, signal);
  return said === undefined ? undefined : failed(said);
}

const failed = (cause: string): Failure => ({
  code: "COMMIT_FAILED",
  message: `the boot loader could not be written: ${cause}`,
});

export const bootEntries: Step<"bootEntries"> = async (agent, { attempt, entries }, signal) => {
  const { name } = agent.notebook.journal.machine.state;
  const failure = await writeEntries(agent, `${attempt.id}-entries-${name}`, entries, signal);
  return failure === undefined ? undefined : notPrepared(agent, failure);
};

export const resetProfile: Step<"resetProfile"> = async (agent, { prev }, signal) => {
  const said = await agent.ports.nix.switchGeneration(prev.generation, signal);
  return said === undefined
    ? undefined
    : notPrepared(agent, {
        code: "COMMIT_FAILED",
        message: `the system profile could not be brought back: ${said}`,
      });
};

export const bootPrepared: Step<"bootPrepared"> = async () =>
  await Promise.resolve({ on: "needsReboot" });

/** Before the proof that leaves nothing running to undo; after it the proven system has to go. */
function notPrepared({ notebook }: Agent, failure: Failure): Event {
  return notebook.journal.machine.state.name === "activating"
    ? { on: "untouched", failure }
    : { on: "uncommitted", failure };
}
