/** What a reboot came to for a committed closure that waited for it. Pure. */
import type { FirstBoot } from "./attempt.ts";

/**
 * - `waits`: it was not booted, and runs.
 * - `came`: the closure was booted.
 * - `fell back`: the boot loader was asked for it and started the system from before.
 * - `not chosen`: so did somebody, where the boot loader cannot by itself.
 * - `third`: another system was booted.
 */
export type FirstBootCourse = "waits" | "came" | "fell back" | "not chosen" | "third";

/** Whether a boot that fails ends on the system from before by itself. */
export const isGuarded = ({ plan, prev }: Pick<FirstBoot, "plan" | "prev">): boolean =>
  plan.oneShot && prev.generation > 0;

export function firstBootCourse(
  firstBoot: FirstBoot,
  now: { readonly bootId: string; readonly booted: string; readonly running: string },
): FirstBootCourse {
  const { attempt, prev, bootId } = firstBoot;
  if (now.bootId === bootId) return "waits";
  if (now.booted === attempt.storePath) return "came";
  const before = [prev.running, prev.profile];
  // A later attempt was booted, and led back without a reboot: its return wrote the entries anew.
  if (now.running === attempt.storePath) return "waits";
  if (!before.includes(now.booted)) return before.includes(now.running) ? "waits" : "third";
  return isGuarded(firstBoot) ? "fell back" : "not chosen";
}
