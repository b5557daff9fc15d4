import { closureConfig, HEALTH_COMMAND } from "../src/agent-config.ts";
import { Cache } from "../src/cache.ts";
import { Fleet } from "../src/fleet.ts";
import { HOST_SYSTEM } from "../src/host-system.ts";
import { expectSuccess } from "../src/run-command.ts";
import { Gate } from "./gate.ts";
import { type Release, releaseFor, type ReleaseName } from "./releases.ts";
import type { Order } from "./table.ts";

/** Holds what only this device knows. */
export const SECRET_FILE = "/etc/secret";

/** A health command whose output is nobody's business. */
export const HEALTH = `cat ${SECRET_FILE}; ${HEALTH_COMMAND}`;

/** A release as a device is offered it. */
export type Offer = { readonly channel: string; readonly storePath: string };

/**
 * What cases share: one server, one builder, and the image that every device starts from. Each case
 * has its device for itself; each lane its way to the server, its cache and its channels, so that
 * what breaks one lane's network is not felt in the other.
 */
export class Bench implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly lanes: readonly Lane[];
  /** The system of the image, and another one that an administrator could switch to. */
  readonly factory: string;
  readonly other: string;
  readonly image: string;

  private constructor(parts: Pick<Bench, "fleet" | "lanes" | "factory" | "other" | "image">) {
    this.fleet = parts.fleet;
    this.lanes = parts.lanes;
    this.factory = parts.factory;
    this.other = parts.other;
    this.image = parts.image;
  }

  static async open(width: number): Promise<Bench> {
    await using stack = new AsyncDisposableStack();
    const gates: Gate[] = [];
    for (let at = 0; at < width; at += 1) gates.push(stack.use(await Gate.open()));
    // Devices know the server by the URL of their lane's gate.
    const serverArguments = gates.flatMap(({ url }) => ["--public-url", url]);
    const fleet = stack.use(await Fleet.open({ serverArguments }));
    const caches: Cache[] = [];
    for (const gate of gates) {
      gate.leadTo(fleet.server.url);
      caches.push(stack.use(await Cache.start(fleet.own.cache.dir)));
    }
    const factory = await fleet.build({ gen: "factory" });
    const other = await fleet.build({ gen: "byhand" });
    const device = await fleet.workshop.device("image", factory);
    await device.run(copyByHand(other, fleet.own.cache.dir));
    await device.run(rootByHand(other));
    await device.powerOff();
    stack.move();
    const lanes = gates.map((gate, at) => {
      const cache = caches[at];
      if (cache === undefined) throw new Error("each lane has a cache");
      return new Lane(`${at + 1}`, fleet, gate, cache);
    });
    return new Bench({ fleet, lanes, factory, other, image: device.dir });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { gate, cache } of this.lanes) {
      await gate[Symbol.asyncDispose]();
      await cache[Symbol.asyncDispose]();
    }
    await this.fleet[Symbol.asyncDispose]();
  }
}

/** Where one case runs at a time. */
export class Lane {
  readonly name: string;
  readonly gate: Gate;
  readonly cache: Cache;
  readonly #fleet: Fleet;
  readonly #offers = new Map<string, Promise<Offer>>();
  #number = 0;

  constructor(name: string, fleet: Fleet, gate: Gate, cache: Cache) {
    this.name = name;
    this.gate = gate;
    this.cache = cache;
    this.#fleet = fleet;
  }

  /** A release on a channel of its own, made when it is first wanted. */
  async offer(name: ReleaseName, order: Order): Promise<Offer> {
    const channel = `${name.toLowerCase()}${order === "boot" ? "-boot" : ""}-${this.name}`;
    const there = this.#offers.get(channel);
    if (there !== undefined) return await there;
    const made = this.publish(channel, releaseFor(name, order));
    this.#offers.set(channel, made);
    return await made;
  }

  /** Builds a system and makes it the head of a channel. */
  async publish(channel: string, release: Release, ...more: readonly string[]) {
    const fleet = this.#fleet;
    this.#number += 1;
    const { healthCmd = HEALTH, ...system } = release;
    const agentJson = { ...closureConfig(this.surroundings(channel)), healthCmd };
    const storePath = await fleet.build({
      gen: `${this.name}x${this.#number}`,
      agentJson,
      ...system,
    });
    // The command line refuses a system that cannot be switched to, unless it never sees its files.
    const unseen = system.mode === "empty" ? ["--trust-cache", "--system", HOST_SYSTEM] : [];
    const argv = [
      "publish",
      ...["--server", fleet.server.url, "--token-file", fleet.tokenFile],
      ...["--key", fleet.signingKeyFile, "--channel", channel],
      ...["--store-path", storePath, "--substituter", this.cache.url],
      ...[...unseen, ...more],
    ];
    expectSuccess(argv, await fleet.cli(...argv));
    return { channel, storePath };
  }

  /** What an agent of this lane knows of its surroundings. */
  surroundings(channel: string) {
    return {
      server: this.gate.url,
      channel,
      publicKey: this.#fleet.publicKey,
      caches: [{ url: this.cache.url, publicKey: this.#fleet.own.key.publicKey }],
    };
  }
}

const copyByHand = (storePath: string, cacheDir: string) => [
  "nix",
  "copy",
  "--no-check-sigs",
  "--from",
  `file://${cacheDir}`,
  "--",
  storePath,
];

const rootByHand = (storePath: string) => ["ln", "-s", storePath, "/nix/var/nix/gcroots/by-hand"];
