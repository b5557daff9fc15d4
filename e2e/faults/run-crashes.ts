import { CrashBench, type CrashCase, type CrashResult, type Order } from "../src/crash-bench.ts";
import { powerCutsImpossible } from "../src/disk-images.ts";
import { cutsAtEveryAct, cutsAtRandom, killsAtEveryAct, killsWithoutServer } from "./crashes.ts";

const WIDTH = 2;
/** Devices that are without their server at the same time. */
const AWAY_WIDTH = 6;
/** Random cuts in each order with each kind of release: 200 in all. */
const RANDOM_CUTS = 50;

const ORDERS: readonly Order[] = ["prove-first", "switch"];
const UPDATES = [
  { proves: "good", release: { gen: 1 } },
  { proves: "bad", release: { gen: 2, mode: "fail-health" } },
] as const;

export type CrashOptions = {
  /** None: all cases. With `crash:` among them those whose names have them all; else no case. */
  readonly words: readonly string[];
  /** Of random cuts, a whole number below 2^32; the same seed tries the same ones. */
  readonly seed: number;
  /** Whether to begin no further case. */
  readonly stopped: () => boolean;
  readonly say: (line: string) => void;
};

type Count = { passed: number; failed: number };

/** What one kind of release is tried with, and where the verdicts go. */
type Trial = {
  readonly bench: CrashBench;
  readonly proves: "good" | "bad";
  readonly options: CrashOptions;
  readonly tell: (name: string, result: CrashResult, tookMs: number) => void;
};

/**
 * Kills agents at every durable act and cuts the power at every act and at random times, one line a
 * case. Says how many passed and failed, which is none where the power cannot be cut.
 */
export async function runCrashes(options: CrashOptions): Promise<Readonly<Count>> {
  const { words, seed, stopped, say } = options;
  const count: Count = { passed: 0, failed: 0 };
  if (words.length > 0 && !words.includes("crash:")) return count;
  const impossible = await powerCutsImpossible();
  if (impossible !== undefined) {
    say(`crashes are skipped: ${impossible}`);
    return count;
  }
  say(`crashes with seed ${seed}`);
  const tell: Trial["tell"] = (name, { hit, wrong }, tookMs) => {
    count[wrong.length === 0 ? "passed" : "failed"] += 1;
    const took = (tookMs / 1000).toFixed(1).padStart(5);
    say(`${wrong.length === 0 ? "ok    " : "FAILED"} ${took} s  ${name}: hit ${hit}`);
    for (const complaint of wrong) say(`         ${complaint}`);
  };
  await using bench = await CrashBench.open();
  for (const { proves, release } of UPDATES) {
    await bench.publish(release, proves);
    for (const order of ORDERS) {
      if (!stopped()) await tryOrder({ bench, proves, options, tell }, order);
    }
  }
  return count;
}

async function tryOrder(trial: Trial, order: Order): Promise<void> {
  const { bench, proves, options } = trial;
  const { acts, tookMs } = await bench.rehearse(order);
  // Other times for each order and release, so that no two tries are alike.
  const seed =
    options.seed +
    ORDERS.length * UPDATES.findIndex((update) => update.proves === proves) +
    ORDERS.indexOf(order);
  await tryEach(trial, [
    ...killsAtEveryAct(order, acts),
    ...cutsAtEveryAct(order, acts, seed),
    ...cutsAtRandom(order, tookMs, seed, RANDOM_CUTS),
  ]);
  await tryWithoutServer(trial, order, killsWithoutServer(acts));
}

async function tryEach(trial: Trial, cases: readonly CrashCase[]): Promise<void> {
  const left = chosen(trial, cases, nameOf);
  const work = async () => {
    for (
      let next = left.shift();
      next !== undefined && !trial.options.stopped();
      next = left.shift()
    ) {
      const { one, name } = next;
      const began = performance.now();
      const result = await trial.bench.run(one).catch(unfinished);
      trial.tell(name, result, performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
}

async function tryWithoutServer(
  trial: Trial,
  order: Order,
  acts: readonly string[],
): Promise<void> {
  const cases = acts.map((act) => ({ order, act }));
  const left = chosen(
    trial,
    cases,
    ({ act }) => `server away, agent killed after ${act}, ${order}`,
  );
  while (left.length > 0 && !trial.options.stopped()) {
    const group = left.splice(0, AWAY_WIDTH);
    const began = performance.now();
    const results = await trial.bench
      .runWithoutServer(group.map(({ one }) => one))
      .catch((cause: unknown) => group.map(() => unfinished(cause)));
    const tookMs = (performance.now() - began) / group.length;
    for (const [at, { name }] of group.entries())
      trial.tell(name, results[at] ?? unfinished("there is no result"), tookMs);
  }
}

/** The cases whose names have all the words, with their names. */
function chosen<Case>(
  { proves, options }: Trial,
  cases: readonly Case[],
  name: (one: Case) => string,
): { readonly one: Case; readonly name: string }[] {
  return cases
    .map((one) => ({ one, name: `crash: ${name(one)}, ${proves} release` }))
    .filter((named) => options.words.every((word) => named.name.includes(word)));
}

const unfinished = (cause: unknown): CrashResult => ({
  hit: "nothing",
  wrong: [cause instanceof Error ? cause.message : String(cause)],
});

function nameOf({ order, layout, how, when }: CrashCase): string {
  const what = how === "cut" ? `power cut, disks ${layout},` : "agent killed";
  const where =
    "startedMs" in when
      ? `${when.startedMs} ms after its start`
      : `${when.laterMs === undefined ? "" : `${when.laterMs} ms `}${when.moment} ${when.act}`;
  return `${what} ${where}, ${order}`;
}
