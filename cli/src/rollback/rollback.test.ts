import { create } from "@bufbuild/protobuf";
import { makeListing } from "@nix-ota/proto/listing";
import { DeviceSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, it } from "vitest";

import type { Cache } from "../cache.ts";
import { createOutput } from "../output.ts";
import {
  CLOSURE_1,
  CLOSURE_2,
  KEY,
  OURS,
  STRANGER,
  arrived,
  partOf,
  publicationOf,
  releaseOf,
  run,
} from "../publish/publication.testkit.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { serverDouble, signedRelease, type ServerDouble } from "../server-double.testkit.ts";
import { closurePath } from "../store-paths.testkit.ts";
import { earlierParts, warnQuarantined, type RollbackWishes } from "./rollback.ts";

const TRUSTED = { ...OURS, threshold: 1 };

/** A cache that holds everything but the paths named. */
function cacheWithout(...absent: string[]): Cache {
  const all = [...CLOSURE_1, ...CLOSURE_2];
  return {
    url: "https://cache.test",
    lookup: async (paths) =>
      new Map(
        all
          .filter(({ path }) => paths.includes(path) && !absent.includes(path))
          .map((one) => [one.path, { ...one, fileSize: 300, signed: true }]),
      ),
  };
}

async function earlier(
  double: ServerDouble,
  wishes: Partial<RollbackWishes> = {},
  cache = cacheWithout(),
) {
  const host = recordingHost();
  const output = createOutput(host, { json: false, quiet: false });
  const parts = await earlierParts(
    {
      channel: "prod",
      to: 1n,
      targets: [],
      message: "",
      notAfterS: undefined,
      skipCacheCheck: false,
      ...wishes,
    },
    TRUSTED,
    async () => [cache],
    { server: double.server, host, output },
  );
  return { parts, err: host.err() };
}

/** prod with r1 and r2. */
async function twoReleases(): Promise<ServerDouble> {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  await run(double, publicationOf(CLOSURE_2));
  return double;
}

it("publishes an earlier release's content after the head, and shows the way back", async () => {
  const double = await twoReleases();
  const { parts } = await earlier(double);
  const host = await run(double, releaseOf(parts));
  expect(arrived(double)[2]).toMatchObject({
    revision: 3n,
    storePath: CLOSURE_1[0]?.path,
    closureDigest: arrived(double)[0]?.closureDigest,
    message: "back to r1",
  });
  expect(double.requests[2]?.listings).toEqual([makeListing(CLOSURE_1)]);
  expect(host.err()).toContain("prod r2 → r3 nixos-system-till-1\n");
  expect(host.err()).toContain("openssh 9.7p1 → 9.6p1");
});

it("goes back with all targets of the release, or with those that are named", async () => {
  const double = serverDouble();
  const both = (closure: typeof CLOSURE_1) =>
    releaseOf(["front", "back"].map((target) => partOf(closure, { target })));
  await run(double, both(CLOSURE_1));
  await run(double, both(CLOSURE_2));
  const targetsOf = async (targets: readonly string[]) =>
    (await earlier(double, { targets })).parts.map(({ content }) => content.target);
  expect(await targetsOf([])).toEqual(["front", "back"]);
  expect(await targetsOf(["back"])).toEqual(["back"]);
  await expect(targetsOf(["side"])).rejects.toThrow(
    "r1 on prod has nothing for target side; it has: front, back",
  );
});

it.each([
  ["another signer's", signedRelease({ ...plain(), revision: 1n }, [STRANGER])],
  ["another channel's", signedRelease({ ...plain(), channel: "lab", revision: 1n }, [KEY.seed])],
  ["another number's", signedRelease({ ...plain(), revision: 9n }, [KEY.seed], { revision: 1n })],
])("signing is no oracle: %s release is not signed again", async (_, forged) => {
  const double = await twoReleases();
  double.releases.set(1n, forged);
  await expect(earlier(double)).rejects.toThrow(
    expect.objectContaining({
      kind: "unproven",
      message: expect.stringMatching(/^your keys do not prove r1 on prod: /u),
    }),
  );
});

function plain() {
  const { content } = partOf(CLOSURE_1);
  return { ...content, substituters: [...content.substituters] };
}

it("signing is no oracle: a release asked for by number is not another one of ours", async () => {
  const double = await twoReleases();
  const second = double.releases.get(2n);
  if (second === undefined) throw new Error("no r2");
  double.releases.set(1n, second);
  await expect(earlier(double)).rejects.toThrow(/the server answered with r2/u);
});

it("mix-and-match: one manifest of another signer among one's own spoils the release", async () => {
  const double = await twoReleases();
  const foreign = signedRelease({ ...plain(), target: "front", revision: 1n }, [STRANGER]);
  double.releases.get(1n)?.manifests.push(...foreign.manifests);
  await expect(earlier(double)).rejects.toThrow(/1 of its manifests are signed by others/u);
});

it("takes no other listing than the one that is signed for", async () => {
  const double = await twoReleases();
  for (const digest of double.listings.keys())
    double.listings.set(digest, makeListing([closurePath("made-up-1")]));
  await expect(earlier(double)).rejects.toThrow(/does not have the listing/u);
});

it("asks the caches whether devices can still fetch it, unless told not to", async () => {
  const double = await twoReleases();
  const gone = cacheWithout(CLOSURE_1[1]?.path ?? "");
  await expect(earlier(double, {}, gone)).rejects.toThrow(
    /https:\/\/cache\.test lacks 1 of 3 paths/u,
  );
  const { parts } = await earlier(double, { skipCacheCheck: true }, gone);
  expect(parts).toHaveLength(1);
});

it("lets the content end as long after signing as it did before, and keeps what it says", async () => {
  const double = serverDouble();
  const signedAtS = BigInt(NOW_MS / 1000);
  const content = { notAfterS: signedAtS + 3600n, message: "spring", sourceRevision: "abc" };
  await run(double, releaseOf([partOf(CLOSURE_1, content)]));
  const { parts } = await earlier(double);
  expect(parts[0]?.content).toMatchObject({
    notAfterS: signedAtS + 3600n,
    message: "back to r1: spring",
    sourceRevision: "abc",
  });
  const told = await earlier(double, { message: "receipts are blank", notAfterS: 5n });
  expect(told.parts[0]?.content).toMatchObject({ message: "receipts are blank", notAfterS: 5n });
});

it("says that there is no such release", async () => {
  await expect(earlier(await twoReleases(), { to: 5n })).rejects.toThrow(
    "there is no r5 on prod; nix-ota release list shows what there is",
  );
});

it("names the devices on which the release failed before", async () => {
  const double = await twoReleases();
  double.devices = [
    create(DeviceSchema, { id: "a", quarantinedRevisions: [1n] }),
    create(DeviceSchema, { id: "b", quarantinedRevisions: [2n] }),
    create(DeviceSchema, { id: "c", target: "front", quarantinedRevisions: [1n] }),
  ];
  const host = recordingHost();
  const output = createOutput(host, { json: false, quiet: false });
  const wishes = { channel: "prod", to: 1n } as RollbackWishes;
  await warnQuarantined(wishes, new Set([""]), { server: double.server, output });
  expect(host.err()).toBe(
    "warning: r1 failed on 1 device that will try it again under the higher number: a\n",
  );
});
