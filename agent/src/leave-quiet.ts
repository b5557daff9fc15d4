import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";

import type { Agent } from "./agent.ts";
import { reportOf } from "./check-in.ts";

/** Lets the next `once` be cheap if this one found nothing to do and left nothing to tell. */
export async function leaveQuiet(agent: Agent): Promise<void> {
  const { ports, notebook, contact } = agent;
  const { directive } = contact;
  if (notebook.journal.machine.state.name !== "idle" || directive?.verdict.case !== "hold") return;
  // A committed closure that waits for its reboot: the whole agent sees when its window opens.
  if (notebook.journal.machine.firstBoot !== undefined) return;
  const { reason, explanation } = directive.verdict.value;
  // The one hold that the device answers.
  if (reason === HoldReason.SERVER_BEHIND || directive.retryRevision !== 0n) return;
  if (await notebook.hasUntold()) return;
  const report = await reportOf(agent, undefined);
  await ports.quiet.remember({ report, directive, reason: explanation });
}
