import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { AgentConfig } from "./agent-config.ts";
import { type Expected, wrongAtRest } from "./at-rest.ts";
import type { SystemOptions } from "./builder.ts";
import { eventually } from "./eventually.ts";
import { Fleet } from "./fleet.ts";
import { HarnessError } from "./harness-error.ts";
import type { SystemdMachine } from "./systemd-machine.ts";

export type Order = "prove-first" | "switch";

/** A moment of an update: a state is durable and nothing of it done, or all of it done and nothing of that durable. */
export type Held = { readonly state: string; readonly at: "entered" | "leaving" };

/** The agent of its system, with another watchdog. */
export type Watched = { readonly watchdogS: number };

const ORDERS = ["prove-first", "switch"] as const;
const AGENT = "nix-ota-agent.service";
/** The system has no place for files of others; the last name wins over its own drop-in. */
const DROP_IN = `/etc/systemd/system.control/${AGENT}.d/test.conf`;

/** Starts, does nothing, and ends when it is asked to. */
const IDLE_UNIT = "[Service]\nType=exec\nExecStart=\nExecStart=/usr/bin/sleep infinity\n";

/**
 * One fleet with one release, and machines with systemd, copies of one that was installed once, whose
 * agent stands still at a moment of its first update: there a test kills it or cuts the power.
 */
export class SystemdBench implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #factories: ReadonlyMap<Order, string>;
  readonly #golden: ReadonlyMap<Order, SystemdMachine>;
  #released = { system: "", good: true, revision: 0 };
  #machines = 0;

  private constructor(
    fleet: Fleet,
    factories: ReadonlyMap<Order, string>,
    golden: ReadonlyMap<Order, SystemdMachine>,
  ) {
    this.fleet = fleet;
    this.#factories = factories;
    this.#golden = golden;
  }

  /** @param settings groups of the agents' settings that differ from those of `systemdConfig`. */
  static async open(settings: AgentConfig = {}): Promise<SystemdBench> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await Fleet.open());
    const factories = new Map<Order, string>();
    const golden = new Map<Order, SystemdMachine>();
    for (const activation of ORDERS) {
      const factory = await fleet.buildForSystemd({ gen: 0 }, { activation, settings });
      const machine = await fleet.workshop.installSystemd(`golden-${activation}`, factory, {
        disk: { mebibytes: 256 },
      });
      factories.set(activation, factory);
      golden.set(activation, machine);
    }
    stack.move();
    return new SystemdBench(fleet, factories, golden);
  }

  /** Publishes the release that machines find from here on. */
  async publish(release: SystemOptions, proves: "good" | "bad"): Promise<string> {
    const system = await this.fleet.buildForSystemd(release);
    await this.fleet.publish(system);
    const { revision } = this.#released;
    this.#released = { system, good: proves === "good", revision: revision + 1 };
    return system;
  }

  factory(order: Order): string {
    const factory = this.#factories.get(order);
    if (factory === undefined) throw new HarnessError("usage", `there is no factory for ${order}`);
    return factory;
  }

  /** A machine that has booted. Default: with the agent of its system as it is. */
  async machine(order: Order, agent?: Held | Watched): Promise<SystemdMachine> {
    const copyOf = this.#golden.get(order);
    if (copyOf === undefined) throw new HarnessError("usage", `there is no machine for ${order}`);
    this.#machines += 1;
    const files = agent === undefined ? {} : { [DROP_IN]: dropIn(agent) };
    const name = `machine-${this.#machines}`;
    const machine = await this.fleet.workshop.installSystemd(name, undefined, {
      disk: { copyOf },
      files,
    });
    await machine.boot();
    if (agent !== undefined && "state" in agent) await standsStill(machine, agent);
    return machine;
  }

  /** Gives the machine back the agent of its system, which systemd starts when the one that stands still is gone. */
  async restoreUnit(machine: SystemdMachine): Promise<void> {
    await machine.run(["rm", DROP_IN]);
    await machine.run(["systemctl", "daemon-reload"]);
  }

  /**
   * The power fails, and the machine boots.
   *
   * @param agent `none`: something else that does nothing.
   */
  async cutPower(
    machine: SystemdMachine,
    agent: "its system's" | "none" = "its system's",
  ): Promise<void> {
    await machine.cutPower();
    await machine.boot(async (root) => {
      if (agent === "none") await writeFile(join(root, DROP_IN), IDLE_UNIT);
      else await rm(join(root, DROP_IN));
    });
  }

  /**
   * Waits until the machine is where the release has to lead it, and says what is wrong with it then.
   *
   * @param before how attempts before the last may have ended. Default: interrupted.
   */
  async wrongAtRest(
    machine: SystemdMachine,
    order: Order,
    before: "INTERRUPTED" | "ROLLED_BACK" = "INTERRUPTED",
  ): Promise<readonly string[]> {
    const { system, good, revision } = this.#released;
    const expected: Expected = good
      ? { system, outcome: "APPLIED", floorRevision: revision, before }
      : { system: this.factory(order), outcome: "ROLLED_BACK", floorRevision: revision, before };
    const { name } = machine;
    const look = async () => await wrongAtRest(this.fleet, { name, device: machine }, expected);
    let wrong = await look();
    await eventually(
      `rest of ${name}`,
      async () => {
        const { running, profile, bootDefault } = await machine.links();
        if ([running, profile, bootDefault].some((path) => path !== expected.system))
          return undefined;
        wrong = await look();
        return wrong.length === 0 ? true : undefined;
      },
      {
        timeoutMs: 90_000,
        describe: async () => [...wrong, await machine.journal("nix-ota-*")],
      },
    ).catch((cause: unknown) => wrong.push(String(cause)));
    return wrong;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
  }
}

function dropIn(agent: Held | Watched): string {
  if ("watchdogS" in agent) return `[Service]\nWatchdogSec=${agent.watchdogS}s\n`;
  const { state, at } = agent;
  const program = join(import.meta.dirname, "crashing-agent.ts");
  const config = "/run/current-system/etc/nix-ota/agent.json";
  return [
    "[Service]",
    "Type=exec",
    "ExecStart=",
    `ExecStart=${process.execPath} ${program} --state ${state} --at ${at} --do hold --config ${config}`,
    "",
  ].join("\n");
}

async function standsStill(machine: SystemdMachine, { state, at }: Held): Promise<void> {
  const told = JSON.stringify({ state, at });
  await eventually(
    `${state}, ${at}, on ${machine.name}`,
    async () => ((await machine.journal(AGENT)).includes(told) ? true : undefined),
    { describe: async () => await machine.journal(AGENT) },
  );
}
