import { randomBytes, randomUUID } from "node:crypto";

import { create } from "@bufbuild/protobuf";
import type { Rung } from "@nix-ota/agent/ladder";
import { machineChance, machineClock } from "@nix-ota/agent/machine-clock";
import type { Server } from "@nix-ota/agent/ports/server";
import { connectServer, type ServerSettings } from "@nix-ota/agent/server/connect-server";
import { nodeDisk } from "@nix-ota/agent/state/node-disk";
import {
  DeviceEventSchema,
  type Directive,
  ReportSchema,
} from "@nix-ota/proto/nixota/v1/device_pb";

export type LinkedOptions = {
  readonly server: string;
  readonly id: string;
  /** PEM of the authority that vouches for the server. */
  readonly authority: string;
  readonly stateDir: string;
  readonly transport?: "auto" | Rung;
  readonly settings?: Partial<ServerSettings>;
};

/** What the agent waits for in minutes takes seconds here; the server's heartbeat stays 15 s. */
const QUICK: ServerSettings = {
  callMs: 15_000,
  readMaxBytes: 64 * 1024,
  listingMaxBytes: 64 * 1024,
  pingMs: 5_000,
  pingTimeoutMs: 15_000,
  firstWordMs: 8_000,
  silenceMs: 45_000,
  settleMs: 120_000,
  reconnectWindowMs: 100,
  reconnectMaxMs: 400,
  climbFirstMs: 600_000,
  climbMaxMs: 600_000,
  pushSpreadMs: 10,
  pushRestMs: 10,
};

/**
 * A device that does nothing but report: the agent's own way to the server, without a machine. It
 * polls so seldom that whatever it hears in a test was pushed, but for `polls`.
 */
export class LinkedDevice implements AsyncDisposable {
  /** Ids of its events, oldest first. */
  readonly happened: string[] = [];
  /** Directives in the order they came. */
  readonly directives: Directive[] = [];
  readonly log: string[] = [];
  /** Rungs that were left, with the ending that was one too many. */
  readonly left: string[] = [];
  readonly #options: LinkedOptions;
  readonly #server: Server;
  readonly #closing = new AbortController();
  readonly #kept: { readonly id: string; readonly number: bigint }[] = [];
  #running: Promise<void> = Promise.resolve();
  #wake = () => {};
  #settledOn: Rung;
  #refusals = 0;

  constructor(options: LinkedOptions) {
    this.#options = options;
    const { transport = "auto" } = options;
    this.#settledOn = transport === "auto" ? "stream" : transport;
    this.#server = connectServer({
      disk: nodeDisk,
      clock: machineClock("/proc/sys/kernel/random/boot_id", ""),
      chance: machineChance,
      log: (_level, message, facts) => {
        this.log.push(`${message} ${JSON.stringify(facts)}`);
        if (facts?.["goesOnBy"] === undefined) return;
        this.left.push(message.replace(" ended", ""));
        this.#settledOn = facts["goesOnBy"] as Rung;
      },
      stateDir: options.stateDir,
      identity: {
        serverUrl: options.server,
        deviceId: options.id,
        channel: "prod",
        target: "",
        seed: randomBytes(32),
        enrolmentToken: async () => await Promise.resolve(""),
      },
      transport,
      caCertificates: options.authority,
      settings: { ...QUICK, ...options.settings },
    });
  }

  /** Reports until the end. */
  async start(): Promise<void> {
    await nodeDisk.makeDirectory(this.#options.stateDir);
    await this.#server.follow(this.#closing.signal);
    this.#running = this.#run().catch((cause: unknown) => {
      if (!this.#closing.signal.aborted) throw cause;
    });
  }

  /** The rung it holds to, and whether it is connected where that takes a connection. */
  get rung(): Rung | "none" {
    const held = this.#server.rung();
    return held === this.#settledOn ? held : "none";
  }

  /** Events that the server has not acknowledged. */
  get waiting(): number {
    return this.#kept.length;
  }

  /** Revision that the server offered last. */
  get offered(): bigint {
    const verdict = this.directives.at(-1)?.verdict;
    return verdict?.case === "offer" ? verdict.value.revision : 0n;
  }

  /** Calls without an answer of the server. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Something happens on the device, which it reports at once. */
  happens(): void {
    const id = randomUUID();
    this.happened.push(id);
    this.#kept.push({ id, number: BigInt(this.happened.length) });
    this.#wake();
  }

  /** It reports as if a poll were due. */
  poll(): void {
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const due = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const events = this.#kept.slice(0, 16).map((event) => create(DeviceEventSchema, event));
      const report = create(ReportSchema, { deviceId: this.#options.id, channel: "prod", events });
      const answer = await this.#server.checkIn(report, "whatever is open", signal);
      if (answer.got === "answer") {
        this.directives.push(answer.value);
        const done = new Set(answer.value.acknowledgedEventIds);
        const left = this.#kept.filter(({ id }) => !done.has(id));
        this.#kept.splice(0, this.#kept.length, ...left);
        if (left.length > 0) continue;
        await Promise.race([due, this.#server.pushed(signal)]);
      } else {
        this.#refusals += 1;
        this.log.push(answer.message);
        // The agent's own backoff, shortened.
        await Promise.race([due, machineClock("", "").sleep(300, signal)]);
      }
    }
  }
}
