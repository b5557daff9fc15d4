/** Which crashes are tried, made from how an update goes when nothing hits it. Pure. */
import type { Act, CrashCase, Order } from "../src/crash-bench.ts";
import type { DiskLayout } from "../src/disk-images.ts";
import { seeded } from "./seeded.ts";

const LAYOUTS: readonly DiskLayout[] = ["apart", "together"];

/** From when on the server is away in `killsWithoutServer`: the release is accepted. */
const ACCEPTED = "write journal 2";

/** The agent killed at every durable act: after each, within each write, and before what it was told. */
export function killsAtEveryAct(order: Order, acts: readonly Act[]): CrashCase[] {
  return distinct(acts)
    .filter(
      ({ act, moment }) =>
        moment === "after" || moment === "during" || act.startsWith("write outbox/through"),
    )
    .map((when) => ({ order, layout: "together", how: "kill", when }));
}

/** Acts after which the agent is killed while the server is away. */
export function killsWithoutServer(acts: readonly Act[]): string[] {
  const after = acts.filter(({ moment }) => moment === "after");
  const accepted = after.findIndex(({ act }) => act === ACCEPTED);
  // Without a server nothing is acknowledged, so nothing is deleted before the end.
  return after
    .slice(accepted + 1)
    .map(({ act }) => act)
    .filter((act) => !/^remove|outbox\/through/.test(act));
}

/** The power cut at every durable act, right after it or some time later, on either layout in turn. */
export function cutsAtEveryAct(order: Order, acts: readonly Act[], seed: number): CrashCase[] {
  const chance = seeded(seed);
  return distinct(acts)
    .filter(({ act, moment }) => moment === "after" && !act.startsWith("remove"))
    .map((when, at) => ({
      order,
      layout: LAYOUTS[at % 2] ?? "apart",
      how: "cut",
      when: at % 3 === 2 ? { ...when, laterMs: Math.round(chance() * 150) } : when,
    }));
}

/** The power cut at random times, from the start of the agent to shortly after its end. */
export function cutsAtRandom(
  order: Order,
  tookMs: number,
  seed: number,
  count: number,
): CrashCase[] {
  const chance = seeded(seed);
  return Array.from({ length: count }, (_, at) => ({
    order,
    layout: LAYOUTS[at % 2] ?? "apart",
    how: "cut",
    when: { startedMs: Math.round(chance() * tookMs * 1.1) },
  }));
}

/** Deleting eight files of one kind is one moment, not eight. */
function distinct(acts: readonly Act[]): Act[] {
  return acts.filter(
    ({ act }, at) => !act.startsWith("remove") || kind(act) !== kind(acts[at - 1]?.act ?? ""),
  );
}

const kind = (act: string) => act.replace(/ \d+$/, "");
