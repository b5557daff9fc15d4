import { setTimeout as delay } from "node:timers/promises";

import { damaged, type Expected, records, wrongAtRest } from "./at-rest.ts";
import type { SystemOptions } from "./builder.ts";
import type { Device } from "./device.ts";
import type { DiskLayout } from "./disk-images.ts";
import type { Moment } from "./durable-acts.ts";
import type { FleetDevice } from "./fleet-device.ts";
import { Fleet } from "./fleet.ts";
import { HarnessError } from "./harness-error.ts";
import { keptBy, lost } from "./kept.ts";
import type { ProcessHandle } from "./process-handle.ts";

export type Order = "prove-first" | "switch";

/** When the agent is hit: some time after its start, or at one of its durable acts. */
type When =
  | { readonly startedMs: number }
  | { readonly act: string; readonly moment: Moment; readonly laterMs?: number };

export type CrashCase = {
  readonly order: Order;
  readonly layout: DiskLayout;
  /** `kill`: SIGKILL for the agent. `cut`: the power, with everything that was not synced. */
  readonly how: "kill" | "cut";
  readonly when: When;
};

/** What came of a case: where it hit, and what is wrong with the device afterwards. */
export type CrashResult = { readonly hit: string; readonly wrong: readonly string[] };

/** A durable act of the agent as `crashing-agent.ts` tells it. */
export type Act = {
  readonly act: string;
  readonly moment: Moment;
  /** Whether no other act was half done. */
  readonly alone: boolean;
};

const LAYOUTS = ["apart", "together"] as const;

/** Until a machine that is busy with other things has done what takes a second. */
const PATIENCE_MS = 180_000;

/** Nothing here is slow but the host, which must not be taken for a fault of the update. */
const LIMITS = {
  nix: { connectTimeoutS: 30, stallTimeoutS: 60, downloadAttempts: 1 },
  fetch: { stallMs: 60_000, sampleMs: 100, retryFirstMs: 100, retryMaxMs: 300 },
  activation: { limitMs: 60_000, graceMs: 500, watchMs: 20, busyTries: 5, busyWaitMs: 200 },
  probation: { limitMs: 3_000, runMs: 30_000, passIntervalMs: 200 },
};

/** The outage is longer than the server's last answer counts: no closure is blamed for it. */
const SERVER_IS_NOT_MISSED = {
  settings: { probation: { ...LIMITS.probation, contactWithinMs: 0 } },
};

/**
 * One fleet with one release, and as many devices as there are cases, each a copy of one that was
 * installed once: a case takes seconds, most of them the agent's own.
 */
export class CrashBench implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #factory: string;
  readonly #golden: ReadonlyMap<DiskLayout, Device>;
  #expected: Expected;
  #devices = 0;

  private constructor(fleet: Fleet, factory: string, golden: ReadonlyMap<DiskLayout, Device>) {
    this.fleet = fleet;
    this.#factory = factory;
    this.#golden = golden;
    this.#expected = { system: factory, outcome: "UNSPECIFIED", floorRevision: 0 };
  }

  static async open(): Promise<CrashBench> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await Fleet.open());
    const factory = await fleet.build({ gen: 0 });
    const golden = new Map<DiskLayout, Device>();
    for (const layout of LAYOUTS) {
      const from = `file://${fleet.own.cache.dir}`;
      const device = await fleet.workshop.device(`golden-${layout}`, undefined, {
        factory: { storePath: factory, from },
        disks: layout,
      });
      await device.shutDown();
      golden.set(layout, device);
    }
    stack.move();
    return new CrashBench(fleet, factory, golden);
  }

  /** Publishes the release that devices find from here on. */
  async publish(release: SystemOptions, proves: "good" | "bad"): Promise<void> {
    const system = await this.fleet.build(release);
    await this.fleet.publish(system);
    const floorRevision = this.#expected.floorRevision + 1;
    this.#expected =
      proves === "good"
        ? { system, outcome: "APPLIED", floorRevision }
        : { system: this.#factory, outcome: "ROLLED_BACK", floorRevision };
  }

  async device(order: Order, layout: DiskLayout): Promise<FleetDevice> {
    this.#devices += 1;
    const golden = this.#golden.get(layout);
    if (golden === undefined) throw new HarnessError("usage", `no device has its disks ${layout}`);
    const name = `fridge-${this.#devices}`;
    const more = { disks: { copyOf: golden.dir } };
    return await this.fleet.deviceOf(name, more, { activation: order, settings: LIMITS });
  }

  /** Every durable act of an update that nothing interrupts, and how long it takes. */
  async rehearse(
    order: Order,
  ): Promise<{ readonly acts: readonly Act[]; readonly tookMs: number }> {
    const fridge = await this.device(order, "apart");
    const began = performance.now();
    const agent = await fridge.startCrashing("--list");
    await agent.exited;
    const tookMs = performance.now() - began;
    const lines = agent.stdout().split("\n").filter(Boolean);
    const wrong = await this.#rest(fridge, []);
    await fridge.device[Symbol.asyncDispose]();
    if (wrong.length > 0)
      throw new HarnessError("usage", `an update without a crash fails: ${wrong.join("; ")}`);
    return { acts: lines.map((line) => JSON.parse(line) as Act), tookMs };
  }

  /** Lets one device take the release, hits it, starts it again twice, and looks at it. */
  async run({ order, layout, how, when }: CrashCase): Promise<CrashResult> {
    const fridge = await this.device(order, layout);
    try {
      const agent = await start(fridge, how, when);
      const hit = await reached(agent, how, when);
      const still = hit.moment === "after" && hit.alone && "act" in when && !("laterMs" in when);
      const wrong = how === "cut" ? await this.#cut(fridge, agent, order, still) : [];
      return { hit: where(hit, when), wrong: await this.#rest(fridge, wrong) };
    } finally {
      await fridge.device[Symbol.asyncDispose]();
    }
  }

  /**
   * Lets devices take the release and kills the agent of each after another act, with the server away
   * from when they have accepted it until their updates are over: what they tell, they tell later.
   */
  async runWithoutServer(
    cases: readonly { readonly order: Order; readonly act: string }[],
  ): Promise<CrashResult[]> {
    await using stack = new AsyncDisposableStack();
    const accepted = "write journal 2";
    const started = await Promise.all(
      cases.map(async ({ order, act }) => {
        const fridge = await this.device(order, "together");
        stack.use(fridge.device);
        await fridge.configure(SERVER_IS_NOT_MISSED);
        const options = ["--hold", accepted, "--act", act, "--moment", "after", "--do", "kill"];
        const agent = await fridge.startCrashing(...options);
        await agent.waitForLine((line) => line.includes(accepted) || undefined, PATIENCE_MS);
        return { fridge, agent, act };
      }),
    );
    await this.fleet.stopServer();
    try {
      for (const { fridge, agent } of started) {
        agent.killGroup("SIGCONT");
        await agent.exited;
        await fridge.once(PATIENCE_MS);
      }
    } finally {
      await this.fleet.startServer();
    }
    const results: CrashResult[] = [];
    for (const { fridge, act } of started) {
      results.push({ hit: `after ${act}`, wrong: await this.#rest(fridge, []) });
    }
    return results;
  }

  /** @param still nothing goes on, so everything that was done has to be on the disk. */
  async #cut(
    fridge: FleetDevice,
    agent: ProcessHandle,
    order: Order,
    still: boolean,
  ): Promise<string[]> {
    const { device } = fridge;
    const kept = still ? await keptBy(device) : new Map<string, string>();
    const known = Number((await this.fleet.operator.device(fridge.name))?.floor?.revision ?? 0n);
    // One that stands still would not notice that its machine ends.
    agent.killGroup("SIGKILL");
    await device.cutPower();
    const wrong = lost(kept, await keptBy(device));
    const { journal, trust } = await records(fridge);
    const floor = Object.values(trust.channels)[0]?.floor.revision ?? 0;
    if (floor < known) wrong.push(`the floor fell from ${known} to ${floor}`);
    const { profile, bootDefault } = await device.links();
    const state = journal?.machine.state.name ?? "idle";
    const committed = trust.channels[this.fleet.channel]?.committed !== undefined;
    if (order === "prove-first" && state !== "committing" && !committed && !undoes(journal)) {
      for (const [what, path] of Object.entries({ profile, bootDefault })) {
        if (path !== this.#factory) wrong.push(`in ${state}, before commit, ${what} is ${path}`);
      }
    }
    await device.boot();
    const { booted } = await device.links();
    const inspected = planned(journal);
    return [...wrong, ...(await damaged(device, new Set([booted, inspected])))];
  }

  /** Two starts of the agent, after which everything has to be well. */
  async #rest(fridge: FleetDevice, before: readonly string[]): Promise<string[]> {
    await fridge.once(PATIENCE_MS);
    const second = await fridge.once(PATIENCE_MS);
    const wrong = await wrongAtRest(this.fleet, fridge, this.#expected);
    const allowed = this.#expected.outcome === "APPLIED" ? [0] : [0, 4];
    if (!allowed.includes(second.code ?? -1)) {
      wrong.push(`the second start ended with ${second.signal ?? second.code}: ${second.stderr}`);
    }
    return [...before, ...wrong];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
  }
}

/** The closure that the journal calls inspected: on the disk before anything may name it. */
function planned(journal: Awaited<ReturnType<typeof records>>["journal"]): string | null {
  const state = journal?.machine.state;
  return state !== undefined && "plan" in state && state.plan !== undefined
    ? state.attempt.storePath
    : null;
}

/** Whether the way back includes the profile, because a commit had begun. */
function undoes(journal: Awaited<ReturnType<typeof records>>["journal"]): boolean {
  const state = journal?.machine.state;
  return state?.name === "rollingBack" && state.reach !== "live";
}

async function start(
  fridge: FleetDevice,
  how: CrashCase["how"],
  when: When,
): Promise<ProcessHandle> {
  if ("startedMs" in when) return await fridge.startCrashing();
  const what = how === "kill" ? "kill" : when.laterMs === undefined ? "hold" : "tell";
  const { act, moment } = when;
  return await fridge.startCrashing("--act", act, "--moment", moment, "--do", what);
}

/** Waits until the agent is where it is to be hit, and ends it if it does not end itself. */
async function reached(agent: ProcessHandle, how: CrashCase["how"], when: When): Promise<Act> {
  const elsewhere = { act: "its end", moment: "after", alone: false } as const;
  if ("startedMs" in when) {
    await Promise.race([delay(when.startedMs), agent.exited]);
    if (how === "kill") agent.kill("SIGKILL");
    if (how === "kill") await agent.exited;
    return elsewhere;
  }
  if (how === "kill") await agent.exited;
  const told = agent.waitForLine((line) => JSON.parse(line) as Act, PATIENCE_MS);
  const hit = await told.catch((cause: unknown) => {
    // An update is not the same twice: this one had fewer acts than the one that was rehearsed.
    if (agent.exit === undefined) throw cause;
    return elsewhere;
  });
  if (when.laterMs !== undefined) await delay(when.laterMs);
  return hit;
}

function where({ act, moment }: Act, when: When): string {
  if ("startedMs" in when) return `${when.startedMs} ms after its start`;
  return `${when.laterMs === undefined ? "" : `${when.laterMs} ms `}${moment} ${act}`;
}
