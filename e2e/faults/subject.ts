import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { StateName } from "@nix-ota/agent/states";

import { type AgentConfig, agentConfig } from "../src/agent-config.ts";
import { bootDefault, profileSystem } from "../src/boot-default.ts";
import type { Device } from "../src/device.ts";
import { CONFIG_FILE, FleetDevice } from "../src/fleet-device.ts";
import { HarnessError } from "../src/harness-error.ts";
import type { ProcessHandle } from "../src/process-handle.ts";
import { entryFile } from "../src/processes.ts";
import { type Bench, HEALTH, type Lane, SECRET_FILE } from "./bench.ts";
import { movedTooEarly } from "./invariants.ts";
import { logLines, questionsAtRest } from "./log-lines.ts";
import { commandLines, type Ending, pictureOf, recordsOf, rootsOf } from "./picture.ts";

/** A boot loader that starts an entry once when asked. */
const BOOTCTL = join(import.meta.dirname, "../nix/bootctl.sh");

const LOOK_MS = 60;
const STOP_MS = 90_000;
/** Some polls of `SETTINGS`, with a call that waits for an answer among them. */
const SUFFERED_AT_REST_MS = 1_500;

const RESTS: ReadonlySet<StateName> = new Set(["idle", "stuck"]);

/** Below /run, which a reboot empties. */
const REBOOT_WANTED = "/run/reboot-wanted";

/** Limits for a device that lives seconds; waits that only a fault makes last are short. */
const SETTINGS = {
  poll: { minMs: 50, maxMs: 300, defaultMs: 150, backoffFirstMs: 50, backoffMaxMs: 300 },
  server: { callMs: 3_000 },
  link: { reconnectWindowMs: 100, reconnectMaxMs: 300, pushSpreadMs: 10 },
  nix: { connectTimeoutS: 3, stallTimeoutS: 20, downloadAttempts: 1 },
  fetch: { stallMs: 20_000, sampleMs: 50, retryFirstMs: 50, retryMaxMs: 100, totalMs: 30_000 },
  activation: { limitMs: 5_000, graceMs: 300, watchMs: 20, busyTries: 5, busyWaitMs: 200 },
  probation: { limitMs: 1_500, runMs: 2_000, passIntervalMs: 100 },
  rollback: { retryMs: 100, contactMs: 500 },
  attempts: { retryFirstMs: 50, retryMaxMs: 100 },
  rebootCmd: `touch ${REBOOT_WANTED}`,
};

/** Where an agent stops for its fault. */
export type Stop = { readonly state: StateName; readonly at: "entered" | "leaving" };

/**
 * The device of one case, with whoever starts its agent again when it has ended, as systemd does, and
 * with those who look on meanwhile.
 */
export class Subject implements AsyncDisposable {
  readonly bench: Bench;
  readonly lane: Lane;
  readonly device: Device;
  readonly channel: string;
  readonly offered: string[];
  /** Set once an administrator has switched to it. */
  byHand: string | undefined;
  /** Set to the attempt whose only record a fault destroys. */
  forgotten: string | undefined;
  readonly #fleetDevice: FleetDevice;
  readonly #secret: string;
  readonly #environment: NodeJS.ProcessEnv = {};
  #preload: readonly string[] = [];
  #agent: ProcessHandle | undefined;
  readonly #beside: ProcessHandle[] = [];
  #log = "";
  readonly #commandLines = new Set<string>();
  readonly #noticed = new Set<string>();
  #highest = { floor: 0, commit: 0 };

  private constructor(
    parts: Pick<Subject, "bench" | "lane" | "device" | "channel"> & {
      offered: string;
      fleetDevice: FleetDevice;
      secret: string;
    },
  ) {
    this.bench = parts.bench;
    this.lane = parts.lane;
    this.device = parts.device;
    this.channel = parts.channel;
    this.offered = [parts.offered];
    this.#fleetDevice = parts.fleetDevice;
    this.#secret = parts.secret;
  }

  /** A device that runs the factory's system and is offered a release, its agent not started. */
  static async create(
    bench: Bench,
    lane: Lane,
    name: string,
    offer: { readonly channel: string; readonly storePath: string },
    config: AgentConfig,
  ): Promise<Subject> {
    const device = await bench.fleet.workshop.device(name, undefined, {
      trustedPublicKeys: [bench.fleet.own.key.publicKey],
      image: bench.image,
    });
    // What a health command prints may be secret.
    const secret = randomBytes(12).toString("hex");
    await writeFile(device.hostPath(SECRET_FILE), `${secret}\n`);
    const { settings, ...keys } = config;
    const whole = agentConfig(device, lane.surroundings(offer.channel), {
      healthCmd: HEALTH,
      pollInterval: 0.15,
      rebootPolicy: "immediate",
      ...keys,
      settings: merged(SETTINGS, settings as AgentConfig | undefined),
    });
    await copyFile(BOOTCTL, join(device.dir, "bin/bootctl"));
    const fleetDevice = await FleetDevice.create(device, whole);
    const { channel, storePath } = offer;
    return new Subject({ bench, lane, device, channel, offered: storePath, fleetDevice, secret });
  }

  get name(): string {
    return this.device.name;
  }

  /** Its root directory as the host sees it, with what the device itself has mounted. */
  get root(): string {
    const pid = this.device.initPid;
    if (pid === undefined) throw new HarnessError("usage", `${this.name} is powered off`);
    return `/proc/${pid}/root`;
  }

  get agentRuns(): boolean {
    return this.device.poweredOn && this.#agent !== undefined && this.#agent.exit === undefined;
  }

  /** What its agents have printed. */
  get log(): string {
    return this.#log + (this.#agent?.stderr() ?? "");
  }

  async configure(changes: AgentConfig): Promise<void> {
    await this.#fleetDevice.configure(changes);
  }

  /** Puts programs of the test's own before all others that the agent finds, by name and text. */
  async shadow(programs: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(programs))
      await writeFile(join(this.device.dir, "bin", name), text, { mode: 0o755 });
  }

  /** From its next start on the agent's wall clock is off by so many seconds. */
  async setWallClock(offsetS: number): Promise<void> {
    const file = join(this.device.dir, "wall-clock-offset");
    await writeFile(file, `${offsetS}`);
    this.#environment["WALL_CLOCK_OFFSET"] = file;
    this.#preload = ["--import", join(import.meta.dirname, "wall-clock.ts")];
  }

  /** Starts an agent that stands still in a state, and returns when it does. */
  async stopAt(stop: Stop): Promise<void> {
    const until = performance.now() + STOP_MS;
    for (await this.#start(stop); this.#agent?.stdout() !== "paused\n"; await delay(LOOK_MS)) {
      if (await this.#rebooted()) await this.#start(stop);
      if (!this.agentRuns || performance.now() > until)
        throw new HarnessError("not-ready", `${this.name} does not come to ${stop.state}`);
    }
    await this.look();
  }

  /** Takes the system to return to from a device that is about to go back, for good. */
  async loseTheWayBack(): Promise<void> {
    await this.stopAt({ state: "rollingBack", at: "entered" });
    // Where the device itself has it: its /nix may be a file system of its own.
    const path = join(this.root, this.bench.factory);
    await rename(path, `${path}.gone`);
    await this.killAgent();
  }

  /** Lets an agent that stands still go on. */
  goOn(): void {
    this.#agent?.kill("SIGUSR2");
  }

  /** Runs something beside the agent, whose end the case waits for. */
  async beside(argv: readonly string[]): Promise<ProcessHandle> {
    const started = await this.device.spawn(argv);
    this.#beside.push(started);
    return started;
  }

  /** SIGKILL for the agent, not for what it started. */
  async killAgent(): Promise<void> {
    this.#agent?.kill("SIGKILL");
    await this.#agent?.exited;
  }

  async cutPower(): Promise<void> {
    await this.device.powerOff();
    await this.#agent?.exited;
  }

  /**
   * Starts the agent whenever it has ended, and boots the device when it is off, until it is seen to
   * rest: it has moved for the last time, all is reported, and it asks again and again.
   */
  async rest(limitMs: number): Promise<void> {
    const until = performance.now() + limitMs;
    for (let starts = 0; ;) {
      await this.#rebooted();
      if (!this.agentRuns) {
        starts += 1;
        if (starts > 20) throw new HarnessError("not-ready", `${this.name} ends at each start`);
        if (!this.device.poweredOn) await this.device.boot();
        await this.#start();
      }
      await this.look();
      if (await this.#rests()) return;
      if (performance.now() > until) {
        throw new HarnessError("not-ready", `${this.name} does not rest in ${limitMs} ms`);
      }
      await delay(LOOK_MS);
    }
  }

  /** Waits, at most a minute, until a fault that lasts has done what it can. */
  async suffers(lasts: "until it leaves" | "until it moves"): Promise<void> {
    const until = performance.now() + 60_000;
    const before = (await this.records()).journal;
    // Where the device rests nothing ever comes of it: it has to stand a few polls.
    const rests = RESTS.has(before?.machine.state.name ?? "idle");
    if (rests) return await delay(SUFFERED_AT_REST_MS);
    while (performance.now() < until && this.agentRuns && !this.#rebootIsWanted()) {
      await this.look();
      const { journal } = await this.records();
      if (journal?.machine.state.name !== before?.machine.state.name) return;
      if (journal?.last?.id !== before?.last?.id) return;
      if (lasts === "until it moves" && journal?.eventNumber !== before?.eventNumber) return;
      await delay(LOOK_MS);
    }
  }

  async records() {
    return await recordsOf(this.root, this.device.stateDir);
  }

  /** Sees that what must hold at every moment holds at this one. */
  async look(): Promise<void> {
    if (!this.device.poweredOn) return;
    const before = await this.records();
    const roots = await rootsOf(this.root);
    for (const line of await commandLines(this.root)) this.#commandLines.add(line);
    const { journal, trust } = await this.records();
    for (const { floor, committed } of Object.values(trust.channels)) {
      this.#highest = {
        floor: Math.max(this.#highest.floor, floor.revision),
        commit: Math.max(this.#highest.commit, committed?.revision ?? 0),
      };
    }
    const { state } = journal?.machine ?? {};
    // Between two looks that tell of one state the agent did not move. What is still being inspected
    // may have to go, so that a poisoned path can be fetched anew.
    if (state === undefined || state.name !== before.journal?.machine.state.name) return;
    const needed =
      "plan" in state && state.plan?.order === "adopt"
        ? []
        : "prev" in state && state.name !== "stuck"
          ? ["staged", "prev"]
          : "plan" in state && state.plan !== undefined
            ? ["staged"]
            : [];
    const boots = {
      profile: await profileSystem(this.root),
      bootDefault: (await bootDefault(this.root)).system,
    };
    const after = (await this.records()).journal?.machine.state;
    // An administrator moves what he likes, and a move of the agent may have come between.
    if (
      this.byHand === undefined &&
      after?.name === state.name &&
      movedTooEarly(state, boots) &&
      movedTooEarly(after, boots)
    )
      this.#noticed.add(`profile or boot default has moved in ${state.name}, before any proof`);
    for (const name of needed) {
      if (roots[name] === undefined) this.#noticed.add(`${name} is not rooted in ${state.name}`);
    }
  }

  /** Ends the agent in order, and tells what is known of the case. */
  async ending(): Promise<Ending> {
    const session = await readFile(join(this.device.stateDir, "session"), "utf8").catch(() => "");
    await this.#agent?.stop();
    for (const { exited } of this.#beside) await exited;
    await this.look();
    const picture = await pictureOf(this.root, this.device.stateDir);
    return {
      picture,
      events: await this.bench.fleet.operator.events(this.name),
      log: this.log,
      commandLines: this.#commandLines,
      secrets: [this.#secret, ...tokensIn(session)],
      systems: { previous: this.bench.factory, offered: this.offered, byHand: this.byHand },
      noticed: [...this.#noticed],
      highest: this.#highest,
      forgotten: this.forgotten,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device[Symbol.asyncDispose]();
    await this.#agent?.exited;
  }

  async #start(stop?: Stop): Promise<void> {
    this.#log = this.log;
    const program =
      stop === undefined
        ? [entryFile("agent"), "run"]
        : [join(import.meta.dirname, "pausing-agent.ts"), "--state", stop.state, "--at", stop.at];
    this.#agent = undefined;
    this.#agent = await this.device.spawn(
      [process.execPath, ...this.#preload, ...program, "--config", CONFIG_FILE],
      { env: this.#environment },
    );
  }

  #rebootIsWanted(): boolean {
    return this.device.poweredOn && existsSync(this.device.hostPath(REBOOT_WANTED));
  }

  /** Reboots the device when its agent has asked for that. */
  async #rebooted(): Promise<boolean> {
    if (!this.#rebootIsWanted()) return false;
    await this.device.boot();
    await this.#agent?.exited;
    return true;
  }

  async #rests(): Promise<boolean> {
    if (questionsAtRest(logLines(this.#agent?.stderr() ?? "")) < 2) return false;
    const { journal, outbox } = await pictureOf(this.root, this.device.stateDir);
    const state = journal?.machine.state.name ?? "idle";
    return (state === "idle" || state === "stuck") && outbox.length === 0;
  }
}

/** Groups of settings put together; the later ones win. */
function merged(settings: AgentConfig, more: AgentConfig = {}): AgentConfig {
  const groups = new Set([...Object.keys(settings), ...Object.keys(more)]);
  return Object.fromEntries(
    [...groups].map((name) => {
      const [one, other] = [settings[name], more[name]];
      const both = typeof one === "object" && typeof other === "object";
      return [name, both ? { ...one, ...other } : (other ?? one)];
    }),
  );
}

function tokensIn(session: string): string[] {
  if (session === "") return [];
  const { token } = JSON.parse(session) as { token?: string };
  return token === undefined ? [] : [token];
}
