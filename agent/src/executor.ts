import type { Agent } from "./agent.ts";
import type { Effect } from "./effects.ts";
import { activate, setProfile } from "./steps/activate.ts";
import { awaitReboot, reboot } from "./steps/await-reboot.ts";
import { bootEntries, bootPrepared, resetProfile } from "./steps/boot-entries.ts";
import { recordCommit, stillRuns } from "./steps/commit.ts";
import { confirm } from "./steps/confirm.ts";
import type { EffectResult, Step } from "./steps/effect-result.ts";
import { copy, root } from "./steps/fetch-closure.ts";
import { inspect } from "./steps/inspect.ts";
import { leaveQuarantined } from "./steps/leave-quarantined.ts";
import { lookAround } from "./steps/look-around.ts";
import { preflight } from "./steps/preflight.ts";
import { prove } from "./steps/prove.ts";
import { compareContact, restore } from "./steps/restore.ts";
import { secure } from "./steps/secure.ts";
import { tidy } from "./steps/tidy.ts";
import { watchFirstBoot } from "./steps/watch-first-boot.ts";

/** The hands of every effect: a kind without one does not compile. */
const steps: { readonly [Kind in Effect["do"]]: Step<Kind> } = {
  preflight,
  root,
  copy,
  inspect,
  confirm,
  secure,
  setProfile,
  activate,
  awaitReboot,
  prove,
  stillRuns,
  bootEntries,
  resetProfile,
  bootPrepared,
  recordCommit,
  restore,
  reboot,
  watchFirstBoot,
  compareContact,
  lookAround,
  leaveQuarantined,
  tidy,
};

export async function execute(
  agent: Agent,
  effect: Effect,
  signal: AbortSignal,
): Promise<EffectResult> {
  // The map pairs each kind with its step; only the compiler cannot see that through a union.
  const step = steps[effect.do] as (
    agent: Agent,
    effect: Effect,
    signal: AbortSignal,
  ) => Promise<EffectResult>;
  return await step(agent, effect, signal);
}
