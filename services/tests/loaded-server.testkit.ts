import { setTimeout as sleep } from "node:timers/promises";

import { reasonOf } from "@nix-ota/proto/reason";
import { expect } from "vitest";

import { envelope, KEY, listingOf, seed, storePath } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, type Clients } from "./server.testkit.ts";

const CHANNELS = ["prod", "edge"] as const;
const TARGETS = ["", "gateway"] as const;
const DEVICES = ["gw-1", "gw-2", "gw-3"] as const;
const LETTERS = "abcdfghijklmnpqrsvwxyz";

/** A publish or a report whose answer is awaited, or never came. */
interface Begun {
  readonly number: number;
  acknowledged: boolean;
}

/**
 * What was asked of a server and what it acknowledged, over all its deaths.
 * Each channel has one publisher and each device one reporter, who repeat what
 * was not acknowledged before they go on: so the server holds everything up to
 * the last acknowledged one, and at most one more.
 */
export class Ledger {
  readonly #published = new Map<string, Begun>(
    CHANNELS.map((name) => [name, { number: 0, acknowledged: true }]),
  );
  readonly #reported = new Map<string, Begun>(
    DEVICES.map((name) => [name, { number: 0, acknowledged: true }]),
  );

  /** How many calls were acknowledged. */
  get acknowledged(): { readonly publishes: number; readonly reports: number } {
    const count = (all: Iterable<Begun>) =>
      [...all].reduce((sum, one) => sum + one.number - (one.acknowledged ? 0 : 1), 0);
    return { publishes: count(this.#published.values()), reports: count(this.#reported.values()) };
  }

  /**
   * Publishes and reports, all at once, until so many of both were answered;
   * then `afterMs` later `kill` ends the server. What happens to be under way is
   * cut in the middle.
   */
  async load(
    server: { readonly url: string; readonly token: string },
    until: { readonly publishes: number; readonly reports: number; readonly afterMs: number },
    kill: () => Promise<unknown>,
  ): Promise<void> {
    const { publish } = clientsOf(server.url, server.token);
    const before = this.acknowledged;
    let dying = false;
    const enough = Promise.withResolvers<void>();
    const repeated = async (call: () => Promise<void>) => {
      try {
        for (;;) {
          await call();
          const { publishes, reports } = this.acknowledged;
          const both =
            publishes - before.publishes >= until.publishes &&
            reports - before.reports >= until.reports;
          if (both) enough.resolve();
        }
      } catch (error) {
        // Only its death ends it: a refusal would be a defect.
        expect({ dying, reason: reasonOf(error)?.reason }).toEqual({ dying: true });
      }
    };
    const devices = await Promise.all(DEVICES.map((id) => signedIn(server.url, id)));
    const work = [
      ...CHANNELS.map((channel) => repeated(() => this.#publishNext(publish, channel))),
      ...devices.map((device) => repeated(() => this.#reportNext(device))),
    ];
    // A worker that fails for another reason is heard at once.
    await Promise.race([enough.promise, Promise.all(work)]);
    await sleep(until.afterMs);
    dying = true;
    await kill();
    await Promise.all(work);
  }

  /** That a server has what was acknowledged, whole, and what was not wholly or not at all. */
  async check(server: { readonly url: string; readonly token: string }): Promise<void> {
    const clients = clientsOf(server.url, server.token);
    await Promise.all([
      ...CHANNELS.map((channel) => this.#checkChannel(clients, channel)),
      ...DEVICES.map((id) => this.#checkDevice(server.url, clients, id)),
    ]);
  }

  async #publishNext(publish: Clients["publish"], channel: string): Promise<void> {
    const begun = next(this.#published.get(channel));
    this.#published.set(channel, begun);
    await publish.publish({
      envelopes: TARGETS.map((target) => release(channel, begun.number, target)),
      listings: [listing(begun.number).content],
      publicKeys: [{ key: KEY, name: "" }],
    });
    begun.acknowledged = true;
  }

  async #reportNext(device: TestDevice): Promise<void> {
    const begun = next(this.#reported.get(device.id));
    this.#reported.set(device.id, begun);
    const { number } = begun;
    await device.report({
      sequence: BigInt(number),
      events: [{ id: eventId(device.id, number), message: `${number}`, number: BigInt(number) }],
    });
    begun.acknowledged = true;
  }

  async #checkChannel({ publish, channel }: Clients, name: string): Promise<void> {
    const begun = this.#published.get(name);
    if (begun === undefined || begun.number === 0) return;
    const head = await headOf(channel, name);
    expect(allowed(begun)).toContain(head);
    if (head === 0) return;
    const revisions: number[] = [];
    for (let cursor = "", first = true; first || cursor !== ""; first = false) {
      const page = await publish.listReleases({ channel: name, pageSize: 200, cursor });
      for (const one of page.releases) {
        revisions.push(Number(one.revision));
        expect(one.manifests.map(({ target }) => target)).toEqual(TARGETS);
      }
      cursor = page.nextCursor;
    }
    expect(revisions).toEqual(Array.from({ length: head }, (_, index) => head - index));
    for (const target of TARGETS) {
      const { result } = await channel.getCurrent({ channel: name, target });
      expect(result.value).toEqual(release(name, head, target));
    }
    const { content, digest } = listing(head);
    expect((await channel.getListing({ digest })).listing).toEqual(content);
  }

  async #checkDevice(url: string, { checkin }: Clients, id: string): Promise<void> {
    const begun = this.#reported.get(id);
    if (begun === undefined || begun.number === 0) return;
    const { lastSequence } = await new TestDevice(url, id, deviceSeed(id)).authenticate();
    expect(allowed(begun)).toContain(Number(lastSequence));
    const messages: number[] = [];
    for (let cursor = "", first = true; first || cursor !== ""; first = false) {
      const page = await checkin.listDeviceEvents({ deviceId: id, pageSize: 500, cursor });
      messages.push(...page.events.map(({ message }) => Number(message)));
      cursor = page.nextCursor;
    }
    const kept = Number(lastSequence);
    expect(messages.toSorted((a, b) => b - a)).toEqual(
      Array.from({ length: kept }, (_, index) => kept - index),
    );
  }
}

function next(last: Begun | undefined): Begun {
  if (last?.acknowledged === false) return last;
  return { number: (last?.number ?? 0) + 1, acknowledged: false };
}

/** The numbers that a server may have as its highest. */
function allowed({ number, acknowledged }: Begun): readonly number[] {
  return acknowledged ? [number] : [number - 1, number];
}

async function headOf(channel: Clients["channel"], name: string): Promise<number> {
  try {
    return Number((await channel.getChannel({ name })).channel?.headRevision);
  } catch (error) {
    if (reasonOf(error)?.reason === "CHANNEL_UNKNOWN") return 0;
    throw error;
  }
}

async function signedIn(url: string, id: string): Promise<TestDevice> {
  const device = new TestDevice(url, id, deviceSeed(id));
  await device.enrol({ channel: "prod" });
  await device.authenticate();
  return device;
}

function deviceSeed(id: string): Uint8Array {
  return seed(Number(id.slice(3)));
}

function eventId(device: string, number: number): string {
  return Buffer.from(`${device}-${number}`.padEnd(12, "-")).toString("hex");
}

function systemOf(revision: number): string {
  return storePath(LETTERS[revision % LETTERS.length] ?? "a");
}

function listing(revision: number) {
  return listingOf(systemOf(revision));
}

function release(channel: string, revision: number, target: string): Uint8Array {
  return envelope({
    channel,
    revision: BigInt(revision),
    target,
    storePath: systemOf(revision),
    closureDigest: listing(revision).digest,
  });
}
