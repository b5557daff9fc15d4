import { knowsNoAttempt } from "../lost-journal.ts";
import { returnPlan } from "../return-plan.ts";
import { committedOf } from "../trust.ts";
import type { Step } from "./effect-result.ts";
import { rootIfRoom } from "./root-if-room.ts";

/**
 * A device that is stuck and loses its journal: what failed runs on, and nobody remembers that it has
 * to be left. The trust record has it in quarantine, and the root of what a return led to is there
 * until the device rests: so it goes back once more. What else is in quarantine and runs a person has
 * switched to, and it is left alone.
 */
export const leaveQuarantined: Step<"leaveQuarantined"> = async (agent) => {
  const { notebook, ports, config } = agent;
  const { links } = ports;
  const { channel } = config;
  if (!knowsNoAttempt(notebook.journal)) return undefined;
  const { channels, quarantine } = notebook.trust;
  const running = await links.running();
  const failed = quarantine.findLast((one) => one.channel === channel && one.storePath === running);
  if (failed === undefined || channels[channel]?.committed?.storePath === running) return undefined;
  const before = await links.rooted("return");
  if (before === "" || before === running) return undefined;
  await rootIfRoom(agent, "prev", before);
  const named = (await links.profile()).storePath;
  const profile = named === "" || named === running ? before : named;
  const { revision, payloadSha256, failure } = failed;
  return {
    on: "quarantinedRuns",
    attempt: { id: ports.chance.id(), channel, revision, payloadSha256, storePath: running },
    plan: returnPlan(notebook.now()),
    prev: {
      running: before,
      booted: await links.booted(),
      profile,
      generation:
        (await links.generations()).findLast(({ storePath }) => storePath === profile)?.number ?? 0,
      inContact: false,
      ...committedOf(notebook.trust, channel),
    },
    failure: {
      code: failure,
      message: `r${revision} is in quarantine (${failure}) and runs, and the journal that knew of its return is lost, so the device goes back once more; look whether its disk is sound, and publish a higher revision`,
    },
  };
};
