import { Code } from "@connectrpc/connect";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { sha256 } from "@nix-ota/proto/hash";
import { reasonOf } from "@nix-ota/proto/reason";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { DATABASES } from "./databases.testkit.ts";
import { envelope, KEY, listingOf, SEED, seed, storePath } from "./manifests.testkit.ts";
import { clientsOf, TestServer } from "./server.testkit.ts";

const PUBLIC_KEYS = [{ key: KEY, name: "release" }];

describe.each(DATABASES)("publishing on %s", (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(kind);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  /** What becomes of a publish, in one word or the refusal. */
  async function publish(
    envelopes: readonly Uint8Array[],
    more: { listings?: Uint8Array[]; publicKeys?: typeof PUBLIC_KEYS } = {},
  ): Promise<unknown> {
    try {
      const answer = await server.operator.publish.publish({
        envelopes: [...envelopes],
        publicKeys: PUBLIC_KEYS,
        ...more,
      });
      if (answer.channelCreated) return "created";
      return answer.alreadyPublished ? "again" : "published";
    } catch (error) {
      const { reason, code, rejectCode, headRevision } = reasonOf(error) ?? {};
      if (reason === undefined) throw error;
      return {
        reason,
        code: Code[code ?? 0],
        ...(rejectCode && { rejectCode }),
        ...(headRevision !== undefined && { headRevision }),
      };
    }
  }

  async function current(channel: string, target = ""): Promise<unknown> {
    const { result } = await server.operator.channel.getCurrent({ channel, target });
    return result.case === "envelope" ? result.value : result.value?.explanation;
  }

  test("a message that no column could hold is published and served as it was signed", async () => {
    const strange = envelope({ channel: "strange", revision: 1n, message: "a\0b" });
    expect(await publish([strange])).toBe("created");
    expect(await current("strange")).toEqual(strange);
    const { release } = await server.operator.publish.getRelease({ channel: "strange" });
    expect(release?.manifests).toMatchObject([{ message: "a\u{fffd}b", envelope: strange }]);
  });

  test("a first publish makes the channel and what is served is what was signed, byte for byte", async () => {
    const r1 = envelope({ channel: "first", revision: 1n });
    expect(await current("first")).toBe(
      "nothing is published on first; publish a release with `nix-ota publish`",
    );
    expect(await publish([r1])).toBe("created");
    expect(await current("first")).toEqual(r1);
    const { channel } = await server.operator.channel.getChannel({ name: "first" });
    expect(channel).toMatchObject({ headRevision: 1n, threshold: 1, publicKeys: PUBLIC_KEYS });
  });

  test("the same payload again is fine, another one is taken, a lower one is stale", async () => {
    const r2 = envelope({ channel: "exact", revision: 2n });
    expect([
      await publish([r2]),
      await publish([r2]),
      await publish([envelope({ channel: "exact", revision: 2n, message: "other" })]),
      await publish([envelope({ channel: "exact", revision: 1n })]),
      await publish([envelope({ channel: "exact", revision: 3n })]),
      await publish([r2]),
    ]).toEqual([
      "created",
      "again",
      { reason: "REVISION_TAKEN", code: "AlreadyExists", headRevision: 2n },
      { reason: "REVISION_STALE", code: "FailedPrecondition", headRevision: 2n },
      "published",
      "again",
    ]);
    const { releases } = await server.operator.publish.listReleases({ channel: "exact" });
    expect(releases.map(({ revision }) => revision)).toEqual([3n, 2n]);
  });

  test("a release is atomic: a target cannot be added to it", async () => {
    const channel = "atomic";
    const a = envelope({ channel, revision: 1n, target: "a" });
    const b = envelope({ channel, revision: 1n, target: "b" });
    expect(await publish([a])).toBe("created");
    expect(await publish([a, b])).toMatchObject({ reason: "REVISION_TAKEN" });
    expect(await publish([b])).toMatchObject({ reason: "REVISION_TAKEN" });
    expect(await current(channel, "b")).toBe(
      "no release of atomic has a manifest for target b; publish one",
    );
    expect(await publish([envelope({ channel, revision: 2n, target: "b" })])).toBe("published");
    expect(await current(channel, "a")).toEqual(a);
  });

  test("a target is served its newest manifest up to the head, others nothing of it", async () => {
    const channel = "targets";
    const r1 = ["", "gateway"].map((target) => envelope({ channel, revision: 1n, target }));
    const r2 = [envelope({ channel, revision: 2n })];
    expect([await publish(r1), await publish(r2)]).toEqual(["created", "published"]);
    expect(await current(channel)).toEqual(r2[0]);
    expect(await current(channel, "gateway")).toEqual(r1[1]);
    expect(await current(channel, "sensor")).toBe(
      "no release of targets has a manifest for target sensor; publish one",
    );
  });

  test("signatures on the same payload are united and others are not let in", async () => {
    const channel = "united";
    const keys = [SEED, seed(8)];
    const publicKeys = keys.map((one) => ({ key: publicKeyOf(one), name: "" }));
    const fields = { channel, revision: 1n };
    expect(await publish([envelope(fields, [keys[0]!])], { publicKeys })).toBe("created");
    const second = envelope(fields, [keys[1]!, seed(9)]);
    expect(await publish([second], { publicKeys })).toBe("again");
    const { release } = await server.operator.publish.getRelease({ channel });
    const [stored] = release?.manifests ?? [];
    expect(stored?.keyIds).toHaveLength(2);
    const decoded = decodeEnvelope(stored?.envelope ?? new Uint8Array());
    expect(decoded.ok && decoded.envelope.signatures.length).toBe(2);
    expect(await current(channel)).toEqual(envelope(fields, keys));
  });

  test("keys are pinned by the first publish and not changed by a later one", async () => {
    const channel = "keys";
    const stranger = [{ key: publicKeyOf(seed(9)), name: "stranger" }];
    const r1 = envelope({ channel, revision: 1n });
    const forged = envelope({ channel, revision: 2n }, [seed(9)]);
    expect([
      await publish([r1], { publicKeys: [] }),
      await publish([r1], { publicKeys: [{ key: new Uint8Array(32), name: "" }] }),
      await publish([r1]),
      await publish([forged], { publicKeys: stranger }),
      await publish([forged]),
      await publish([envelope({ channel, revision: 2n })], { publicKeys: [] }),
    ]).toEqual([
      { reason: "KEYS_REQUIRED", code: "FailedPrecondition" },
      { reason: "KEYS_DIFFER", code: "FailedPrecondition" },
      "created",
      { reason: "KEYS_DIFFER", code: "FailedPrecondition" },
      { reason: "MANIFEST_REJECTED", code: "InvalidArgument", rejectCode: "BAD_SIGNATURE" },
      "published",
    ]);
  });

  test("what does not pass the gate is refused with its code and leaves no channel behind", async () => {
    const channel = "refused";
    const tampered = envelope({ channel, revision: 1n });
    // In the signature: what cannot be read at all is MALFORMED.
    tampered[tampered.length - 1]! ^= 1;
    const cases = [
      [tampered],
      [envelope({ channel, revision: 1n, notAfterS: 1_700_000_001n })],
      [envelope({ channel, revision: 1n, storePath: "/nix/store/--flag" })],
      [envelope({ channel, revision: 1n, substituters: ["https://c.example.org?trusted=1"] })],
      [
        envelope({ channel, revision: 1n }),
        envelope({ channel: "elsewhere", revision: 1n, target: "x" }),
      ],
      [envelope({ channel, revision: 1n }), envelope({ channel, revision: 2n, target: "x" })],
      [envelope({ channel, revision: 1n }), envelope({ channel, revision: 1n, message: "twice" })],
    ];
    const codes = [];
    for (const envelopes of cases) codes.push(await publish(envelopes));
    expect(codes.map((one) => (one as { rejectCode?: string }).rejectCode)).toEqual([
      "BAD_SIGNATURE",
      "EXPIRED",
      "BAD_PATH",
      "BAD_SUBSTITUTER",
      "WRONG_CHANNEL",
      undefined,
      undefined,
    ]);
    expect(codes).toEqual(
      codes.map(() => expect.objectContaining({ reason: "MANIFEST_REJECTED" })),
    );
    await expect(server.operator.channel.getChannel({ name: channel })).rejects.toThrow(
      /no channel/,
    );
  });

  test("a pinned listing has to be there, to be one, and to hold the system", async () => {
    const channel = "listings";
    const { content, digest } = listingOf(storePath("a"));
    const other = listingOf(storePath("b"));
    const r1 = envelope({ channel, revision: 1n, closureDigest: digest });
    expect([
      await publish([r1]),
      await publish([r1], { listings: [new TextEncoder().encode("no listing\n")] }),
      await publish([envelope({ channel, revision: 1n, closureDigest: other.digest })], {
        listings: [other.content],
      }),
      await publish([r1], { listings: [content] }),
    ]).toEqual([
      { reason: "LISTING_MISSING", code: "FailedPrecondition" },
      { reason: "LISTING_MALFORMED", code: "InvalidArgument" },
      { reason: "LISTING_MALFORMED", code: "InvalidArgument" },
      "created",
    ]);
    const { listing } = await server.operator.channel.getListing({ digest });
    expect(sha256(listing)).toEqual(digest);

    const sent = await server.operator.publish.putListing({ listing: other.content });
    expect(sent.digest).toEqual(other.digest);
    const r2 = envelope({
      channel,
      revision: 2n,
      storePath: storePath("b"),
      closureDigest: other.digest,
    });
    expect(await publish([r2])).toBe("published");
  });

  test("a publish needs the token, and so does reading", async () => {
    const nobody = clientsOf(server.url);
    const guesser = clientsOf(server.url, "0".repeat(64));
    const r1 = envelope({ channel: "closed", revision: 1n });
    for (const { publish: service } of [nobody, guesser]) {
      const refused = await service
        .publish({ envelopes: [r1], publicKeys: PUBLIC_KEYS })
        .catch(reasonOf);
      expect(refused).toMatchObject({ reason: "CREDENTIAL_INVALID", code: Code.Unauthenticated });
    }
    const device = await server.device("closed-1");
    const refused = await device.clients.publish
      .publish({ envelopes: [r1], publicKeys: PUBLIC_KEYS })
      .catch(reasonOf);
    expect(refused).toMatchObject({ reason: "SCOPE_MISSING", code: Code.PermissionDenied });
  });

  test("of five publishers at once the highest revision is the head, and every repeat is answered alike", async () => {
    for (let round = 0; round < 6; round += 1) {
      const channel = `race-${round}`;
      const attempts = [1n, 2n, 3n, 3n, 2n].map((revision, publisher) => ({
        revision,
        // The last two bring another payload under a number that is used too.
        envelope: envelope({ channel, revision, message: publisher < 3 ? "" : "other" }),
      }));
      const outcomes = await Promise.all(
        [...attempts, ...attempts.slice(0, 2)].map(async (attempt) => ({
          ...attempt,
          outcome: await publish([attempt.envelope]),
        })),
      );
      const { channel: stored } = await server.operator.channel.getChannel({ name: channel });
      expect(stored?.headRevision).toBe(3n);
      const { releases } = await server.operator.publish.listReleases({ channel });
      for (const { revision } of releases) {
        const { release } = await server.operator.publish.getRelease({ channel, revision });
        const served = release?.manifests.map((one) => one.envelope);
        const accepted = outcomes.filter(
          (one) => one.revision === revision && typeof one.outcome === "string",
        );
        expect(served).toHaveLength(1);
        // Whoever was told OK finds its own bytes, whatever the order was.
        expect(accepted.map((one) => one.envelope)).toEqual(accepted.map(() => served?.[0]));
        expect(accepted.length).toBeGreaterThan(0);
      }
      const created = outcomes.filter(({ outcome }) => outcome === "created");
      expect(created).toHaveLength(1);
      const refused = outcomes.filter(({ outcome }) => typeof outcome !== "string");
      for (const { outcome } of refused) {
        expect(["REVISION_STALE", "REVISION_TAKEN"]).toContain(
          (outcome as { reason: string }).reason,
        );
      }
      const again = await Promise.all(
        outcomes
          .filter(({ outcome }) => typeof outcome === "string")
          .map((one) => publish([one.envelope])),
      );
      expect(new Set(again)).toEqual(new Set(["again"]));
    }
  });

  test("pages of releases follow each other and a made-up cursor is refused", async () => {
    const channel = "pages";
    for (const revision of [1n, 2n, 3n]) await publish([envelope({ channel, revision })]);
    const first = await server.operator.publish.listReleases({ channel, pageSize: 2 });
    const second = await server.operator.publish.listReleases({
      channel,
      pageSize: 2,
      cursor: first.nextCursor,
    });
    expect([first, second].map(({ releases }) => releases.map(({ revision }) => revision))).toEqual(
      [[3n, 2n], [1n]],
    );
    expect(second.nextCursor).toBe("");
    const wrong = await server.operator.publish
      .listReleases({ channel, cursor: "bm9uc2Vuc2U" })
      .catch(reasonOf);
    expect(wrong).toMatchObject({ reason: "CURSOR_INVALID" });
    const unknown = await server.operator.publish.listReleases({ channel: "none" }).catch(reasonOf);
    expect(unknown).toMatchObject({ reason: "CHANNEL_UNKNOWN" });
  });
});
