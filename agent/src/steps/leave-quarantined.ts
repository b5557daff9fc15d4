import { entriesFor } from "../effects.ts";
import { knowsNoAttempt } from "../lost-journal.ts";
import { returnPlan } from "../return-plan.ts";
import { committedOf } from "../trust.ts";
import { repairEntries } from "./boot-entries.ts";
import type { Step } from "./effect-result.ts";
import { rootIfRoom } from "./root-if-room.ts";

/**
 * A device that is stuck and loses its journal: what failed runs on, and nobody remembers that it has
 * to be left. The trust record has it in quarantine, and the root of what a return led to is there
 * until the device rests: so it goes back once more. What else is in quarantine and runs a person has
 * switched to, and it is left alone. Where the return came as far as what runs, the
 * boot loader may still name what failed, and is written anew.
 */
export const leaveQuarantined: Step<"leaveQuarantined"> = async (agent, _effect, signal) => {
  const { notebook, ports, config } = agent;
  const { links } = ports;
  const { channel } = config;
  if (!knowsNoAttempt(notebook.journal)) return undefined;
  const { channels, quarantine } = notebook.trust;
  const running = await links.running();
  const profile = (await links.profile()).storePath;
  const failed = quarantine.findLast((one) => one.channel === channel && one.storePath === running);
  const before = await links.rooted("return");
  if (before === running && before !== "") {
    const entries = entriesFor(profile === "" ? running : profile, undefined);
    // Until they are written nothing is tidied: a root keeps what the loader may name.
    return (await repairEntries(agent, "lost", entries, signal)) ? undefined : "rest";
  }
  if (failed === undefined || channels[channel]?.committed?.storePath === running || before === "")
    return undefined;
  await rootIfRoom(agent, "prev", before);
  const named = profile === "" || profile === running ? before : profile;
  const { revision, payloadSha256, failure } = failed;
  return {
    on: "quarantinedRuns",
    attempt: { id: ports.chance.id(), channel, revision, payloadSha256, storePath: running },
    plan: returnPlan(notebook.now()),
    prev: {
      running: before,
      booted: await links.booted(),
      profile: named,
      generation:
        (await links.generations()).findLast(({ storePath }) => storePath === named)?.number ?? 0,
      inContact: false,
      ...committedOf(notebook.trust, channel),
    },
    failure: {
      code: failure,
      message: `r${revision} is in quarantine (${failure}) and runs, and the journal that knew of its return is lost, so the device goes back once more; look whether its disk is sound, and publish a higher revision`,
    },
  };
};
