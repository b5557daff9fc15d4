import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { DATABASES } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { TestServer } from "./server.testkit.ts";

const path = (letter: string, name: string) => `/nix/store/${letter.repeat(32)}-${name}`;
const listing = (...paths: string[]) =>
  makeListing(paths.map((one) => ({ path: one, narHash: `sha256:${"0".repeat(64)}` })));

describe.each(DATABASES)("what changes between releases, on %s", (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(kind);
    const system = path("a", "nixos-system");
    await publish(1n, "", listing(system, path("b", "openssl-3.0.1"), path("c", "old-tool-2")));
    await publish(2n, "gateway", listing(system));
    await publish(3n, "", undefined);
    await publish(
      4n,
      "",
      listing(
        path("d", "nixos-system"),
        path("f", "openssl-3.0.2"),
        path("g", "openssl-1.1"),
        path("h", "zlib-1.3"),
      ),
    );
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  async function publish(revision: bigint, target: string, content: Uint8Array | undefined) {
    const storePath = path(revision === 4n ? "d" : "a", "nixos-system");
    const pinned = content === undefined ? {} : { closureDigest: listingDigest(content) };
    await server.operator.publish.publish({
      envelopes: [envelope({ revision, target, storePath, ...pinned })],
      listings: content === undefined ? [] : [content],
      publicKeys: [{ key: KEY }],
    });
  }
  const diff = async (beforeRevision: bigint, afterRevision: bigint, target = "") =>
    await server.operator.publish
      .diffReleases({ channel: "prod", target, beforeRevision, afterRevision })
      .catch((error: unknown) => reasonOf(error)?.message ?? error);

  test("versions that came and went are named, and the paths are counted", async () => {
    expect(await diff(1n, 0n)).toMatchObject({
      beforeRevision: 1n,
      afterRevision: 4n,
      addedPaths: 4,
      removedPaths: 3,
      changes: [
        { name: "old-tool", versionsBefore: ["2"], versionsAfter: [] },
        { name: "openssl", versionsBefore: ["3.0.1"], versionsAfter: ["1.1", "3.0.2"] },
        { name: "zlib", versionsBefore: [], versionsAfter: ["1.3"] },
      ],
    });
    expect(await diff(4n, 4n)).toMatchObject({ addedPaths: 0, removedPaths: 0, changes: [] });
  });

  test("what cannot be compared is refused with the reason", async () => {
    expect([
      await diff(0n, 0n),
      await diff(1n, 3n),
      await diff(0n, 1n),
      await diff(0n, 2n),
      await diff(2n, 4n),
      await diff(0n, 0n, "gateway"),
      await diff(0n, 0n, "nowhere"),
    ]).toEqual([
      "r3 of prod pins no listing, so what it holds is not known here",
      "r3 of prod pins no listing, so what it holds is not known here",
      "r1 is the first release of prod for devices without a target; there is none to compare it with",
      "there is no r2 of prod for devices without a target",
      "there is no r2 of prod for devices without a target",
      "r2 is the first release of prod for target gateway; there is none to compare it with",
      "there is no release of prod for target nowhere",
    ]);
    const device = await server.device("no-reader");
    const asked = device.clients.publish.diffReleases({ channel: "prod" });
    expect(reasonOf(await asked.catch((error: unknown) => error))?.reason).toBe("SCOPE_MISSING");
  });
});
