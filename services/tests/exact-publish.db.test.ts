import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createPostgresDatabase, DATABASES, type DatabaseKind } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";

const ROUNDS = 50;
const PUBLISHERS = 5;
const ADMIN_TOKEN = "t".repeat(40);
const MINUTE = 60_000;

/** One of five who publish at once, each over a connection of its own. */
const publisher = fc.record({
  revision: fc.bigInt({ min: 1n, max: 3n }),
  content: fc.constantFrom("", "other"),
  targets: fc.constantFrom([""], [""], ["", "a"]),
  /** Milliseconds after which its answer is lost, and it asks again; undefined: it hears the first. */
  lostAfterMs: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
});
const round = fc.array(publisher, { minLength: PUBLISHERS, maxLength: PUBLISHERS });
type Publisher = typeof publisher extends fc.Arbitrary<infer T> ? T : never;

function transportOf(baseUrl: string, agent: Agent, token: string) {
  return createConnectTransport({
    baseUrl,
    httpVersion: "1.1",
    nodeOptions: { agent },
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
}

// PostgreSQL is shared by two server processes, the embedded database has one.
describe.each(DATABASES)("50 rounds of five publishers on %s", (kind: DatabaseKind) => {
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-exact-"));
  const servers: ServerProcess[] = [];
  const agents: Agent[] = [];
  const clients: Client<typeof PublishService>[] = [];
  let rounds = 0;

  beforeAll(async () => {
    writeFileSync(join(folder, "token"), ADMIN_TOKEN);
    const files = ["--data-dir", folder, "--admin-token-file", join(folder, "token")];
    const argv = ["--listen", "127.0.0.1:0", ...files];
    const env = kind === "embedded" ? {} : { DATABASE_URL: await createPostgresDatabase() };
    for (const _ of kind === "embedded" ? [1] : [1, 2]) {
      servers.push(await ServerProcess.start(argv, env));
    }
    for (let index = 0; index < PUBLISHERS; index += 1) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      agents.push(agent);
      const url = servers[index % servers.length]?.url ?? "";
      const access = createClient(AccessService, transportOf(url, agent, ADMIN_TOKEN));
      // A token each, as five who publish have: together they call more often than one may.
      const made = await access.createToken({ name: `ci-${index}`, scopes: ["publish:*", "read"] });
      clients.push(createClient(PublishService, transportOf(url, agent, made.secret)));
    }
  });
  afterAll(async () => {
    for (const agent of agents) agent.destroy();
    for (const server of servers) await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const envelopes = (
    channel: string,
    { revision, content, targets }: Omit<Publisher, "content"> & { readonly content: string },
  ) => targets.map((target) => envelope({ channel, revision, target, message: content }));
  /** `new`, `again`, or why it was refused. */
  const publish = async (
    client: Client<typeof PublishService> | undefined,
    bytes: Uint8Array[],
    signal?: AbortSignal,
  ) => {
    const request = { envelopes: bytes, publicKeys: [{ key: KEY }] };
    try {
      const answer = await client?.publish(request, signal ? { signal } : {});
      return answer?.alreadyPublished === true ? "again" : "new";
    } catch (error) {
      const reason = reasonOf(error)?.reason;
      if (reason !== undefined) return reason;
      if (signal?.aborted === true) return "lost";
      throw error;
    }
  };
  const untilHeard = async (index: number, one: Publisher, bytes: Uint8Array[]) => {
    if (one.lostAfterMs !== undefined) {
      const first = await publish(clients[index], bytes, AbortSignal.timeout(one.lostAfterMs));
      if (first !== "lost") return first;
    }
    return await publish(clients[index], bytes);
  };

  test(
    "the head is the highest that was taken, who was told OK is served, and nobody else",
    async () => {
      await fc.assert(
        fc.asyncProperty(round, async (publishers) => {
          rounds += 1;
          const channel = `round-${rounds}`;
          const told = await Promise.all(
            publishers.map(async (one, index) => {
              const bytes = envelopes(channel, one);
              return { ...one, bytes, outcome: await untilHeard(index, one, bytes) };
            }),
          );
          const taken = told.filter(({ outcome }) => outcome === "new" || outcome === "again");
          const { releases } = (await clients[0]?.listReleases({ channel })) ?? { releases: [] };
          const stored = new Map<bigint, Uint8Array[]>();
          for (const { revision } of releases) {
            const answer = await clients[1]?.getRelease({ channel, revision });
            stored.set(revision, answer?.release?.manifests.map((one) => one.envelope) ?? []);
          }
          const head = [...stored.keys()].reduce((a, b) => (a > b ? a : b), 0n);
          // Whoever is told OK finds its own bytes, and no number is there without somebody who took it.
          expect(new Set(stored.keys())).toEqual(new Set(taken.map(({ revision }) => revision)));
          for (const { revision, bytes, outcome } of told) {
            const holds = stored.get(revision);
            if (outcome === "REVISION_STALE") {
              expect([holds, revision < head]).toEqual([undefined, true]);
            } else if (outcome === "REVISION_TAKEN") {
              expect(holds).toBeDefined();
              expect(holds).not.toEqual(expect.arrayContaining(bytes));
            } else {
              expect(holds).toEqual(expect.arrayContaining(bytes));
            }
          }
          // Once more, by the other server: the same is fine, anything else under its number is not.
          for (const [place, { revision, bytes, targets, content }] of taken.entries()) {
            const client = clients[(place + 1) % PUBLISHERS];
            expect(await publish(client, bytes)).toBe("again");
            const other = { revision, targets, content: `not ${content}`, lostAfterMs: undefined };
            expect(await publish(client, envelopes(channel, other))).toBe("REVISION_TAKEN");
          }
          const { release } = (await clients[0]?.getRelease({ channel })) ?? {};
          expect(release?.revision).toBe(head);
        }),
        { numRuns: ROUNDS, endOnFailure: true },
      );
      expect(rounds).toBe(ROUNDS);
    },
    4 * MINUTE,
  );

  test("equivocation, replay of an older release and mix-and-match of targets at publish are refused", async () => {
    const channel = "attacked";
    const at = (revision: bigint, target: string, message = "") =>
      envelope({ channel, revision, target, message });
    const tell = async (...bytes: Uint8Array[]) => await publish(clients[0], bytes);
    expect(await tell(at(5n, ""), at(5n, "a"))).toBe("new");
    expect({
      equivocation: await tell(at(5n, "", "another")),
      replay: await tell(at(4n, "")),
      addedTarget: await tell(at(5n, ""), at(5n, "b")),
      targetAlone: await tell(at(5n, "b")),
      oneOfTwoAnother: await tell(at(5n, ""), at(5n, "a", "another")),
      twoRevisions: await tell(at(6n, ""), at(7n, "a")),
      oneTargetTwice: await tell(at(6n, ""), at(6n, "", "another")),
      twoChannels: await tell(at(6n, ""), envelope({ channel: "b", revision: 6n, target: "a" })),
      part: await tell(at(5n, "a")),
    }).toEqual({
      equivocation: "REVISION_TAKEN",
      replay: "REVISION_STALE",
      addedTarget: "REVISION_TAKEN",
      targetAlone: "REVISION_TAKEN",
      oneOfTwoAnother: "REVISION_TAKEN",
      twoRevisions: "MANIFEST_REJECTED",
      oneTargetTwice: "MANIFEST_REJECTED",
      twoChannels: "MANIFEST_REJECTED",
      part: "again",
    });
    const { release } = (await clients[0]?.getRelease({ channel })) ?? {};
    expect(release?.manifests.map((one) => one.envelope)).toEqual([at(5n, ""), at(5n, "a")]);
  });
});
