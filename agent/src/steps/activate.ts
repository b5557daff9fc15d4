import type { Event } from "../events.ts";
import type { FailureCodeName } from "../failure.ts";
import type { Step } from "./effect-result.ts";
import { newFailedUnits, unitsSentence } from "./new-failed-units.ts";
import { claimGeneration, retireGenerations } from "./retire.ts";
import type { SwitchResult } from "./run-switch.ts";
import { NEEDS_REBOOT, runSwitch } from "./run-switch.ts";
import { switchedByOthers } from "./switched-by-others.ts";

export const setProfile: Step<"setProfile"> = async (agent, { storePath }, signal) => {
  const { ports, notebook } = agent;
  await claimGeneration(agent, storePath);
  const said = await ports.nix.setProfile(storePath, signal);
  if (said === undefined) {
    await retireGenerations(agent, signal);
    return undefined;
  }
  const failure = {
    code: "COMMIT_FAILED" as const,
    message: `the system profile could not be set: ${said}`,
  };
  return notebook.journal.machine.state.name === "activating"
    ? { on: "untouched", failure }
    : { on: "uncommitted", failure };
};

/**
 * Lets the closure take over and reads from the links what came of it: the exit status alone tells
 * neither whether anything moved (1) nor whether what moved works (2, 4).
 */
export const activate: Step<"activate"> = async (agent, { attempt, prev, action }, signal) => {
  const { ports } = agent;
  const result = await runSwitch(
    agent,
    `${attempt.id}-activate`,
    { storePath: attempt.storePath, action },
    signal,
  );
  const running = await ports.links.running();
  if (running === attempt.storePath) {
    if (result.ended === "exited" && result.code === 0) return { on: "activated" };
    // Some unit failed, perhaps one that has nothing to do with the update.
    if (result.ended === "exited" && result.code === 4) {
      const units = await newFailedUnits(agent, prev, signal);
      return units.length === 0
        ? { on: "activated" }
        : failed("broken", "UNITS_FAILED", unitsSentence(units));
    }
    return failed("broken", codeOf(result), `${ended(result)} although the closure runs`);
  }
  if (running === prev.running) {
    if (result.ended === "exited" && result.code === NEEDS_REBOOT)
      return failed("inhibited", "ACTIVATION_REFUSED", `${ended(result)}, for a reboot is needed`);
    return refused(result)
      ? failed("untouched", refusalOf(result), `${ended(result)} before anything was activated`)
      : failed("broken", codeOf(result), `${ended(result)} and the closure does not run`);
  }
  return switchedByOthers(running);
};

/** Whether the program ended before it touched the running system, as far as its status tells. */
const refused = (result: SwitchResult) =>
  result.ended === "busy" ||
  result.ended === "not begun" ||
  (result.ended === "exited" && [1, 11].includes(result.code));

/** What the tools of the device did is not the closure's fault. */
function codeOf(result: SwitchResult): FailureCodeName {
  switch (result.ended) {
    case "exited":
    case "vanished":
      return "ACTIVATION_FAILED";
    case "timed out":
      return "ACTIVATION_TIMEOUT";
    case "busy":
      return "SWITCH_BUSY";
    case "not begun":
    case "untold":
      return "TOOL_FAILED";
  }
}

const refusalOf = (result: SwitchResult): FailureCodeName =>
  result.ended === "exited" ? "ACTIVATION_REFUSED" : codeOf(result);

function ended(result: SwitchResult): string {
  switch (result.ended) {
    case "exited":
      return `switch-to-configuration ended with status ${result.code}${result.tail === "" ? "" : ` (${result.tail})`}`;
    case "timed out":
      return "switch-to-configuration did not end in time";
    case "vanished":
      return "switch-to-configuration was killed";
    case "not begun":
      return "a local tool hung or failed";
    case "untold":
      return "a local tool hung or failed after switch-to-configuration had ended";
    case "busy":
      return "another switch holds the lock";
  }
}

const failed = (
  on: "untouched" | "broken" | "inhibited",
  code: FailureCodeName,
  message: string,
): Event => ({
  on,
  failure: { code, message },
});
