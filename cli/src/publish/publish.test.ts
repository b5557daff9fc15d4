import { create } from "@bufbuild/protobuf";
import { publicHalf } from "@nix-ota/proto/key-file";
import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import { RolloutState, RolloutSchema } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { expect, it } from "vitest";

import { createOutput } from "../output.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { lostConnection, serverDouble, signedRelease } from "../server-double.testkit.ts";
import { keySigner } from "../signing/signer.ts";
import { closurePath } from "../store-paths.testkit.ts";
import {
  KEY,
  STRANGER,
  OURS,
  CLOSURE_1,
  CLOSURE_2,
  partOf,
  publicationOf,
  releaseOf,
  answering,
  run,
  arrived,
  ourRelease,
} from "./publication.testkit.ts";
import { publish } from "./publish.ts";

it("publishes the first release as r1 and brings the keys to pin", async () => {
  const double = serverDouble();
  const host = await run(double, publicationOf(CLOSURE_1));
  expect(host.out()).toBe("published r1 on prod; the channel is made and your keys are pinned\n");
  expect(double.requests[0]).toMatchObject({
    publicKeys: [{ name: "sign", key: OURS.publicKeys[0] }],
    threshold: 1,
    listings: [makeListing(CLOSURE_1)],
  });
  expect(arrived(double)[0]).toMatchObject({
    revision: 1n,
    schema: 1,
    issuedAtS: BigInt(NOW_MS / 1000),
    closureDigest: listingDigest(makeListing(CLOSURE_1)),
  });
});

it("publishes the next release after the proven head, shows what changes, brings no keys", async () => {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  const host = await run(double, publicationOf(CLOSURE_2));
  expect(arrived(double)[1]?.revision).toBe(2n);
  expect(double.requests[1]?.publicKeys).toEqual([]);
  expect(host.err()).toBe(
    [
      "prod r1 → r2 nixos-system-till-2",
      `  path       ${CLOSURE_2[0]?.path}`,
      "  packages   2 changed, 1 added, 0 removed",
      "             + jq 1.7",
      "               nixos-system-till 1 → 2",
      "               openssh 9.6p1 → 9.7p1",
      "  closure    3.9 KiB in 4 paths (+1000 B)",
      "  download   1.2 KiB in 3 paths for a device on r1",
      "  reboot     needed: kernel, initrd or kernel parameters differ",
      "  system     x86_64-linux",
      "  contents   pinned by their hashes",
      "  caches     https://cache.test",
      "  signed by  sign (key id fe812c12f3ab4ce6ac5db69ac352f906)",
      "",
    ].join("\n"),
  );
});

it("prints one JSON document with the same facts", async () => {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  const host = await run(double, publicationOf(CLOSURE_2), { json: true });
  expect(JSON.parse(host.out())).toMatchObject({
    outcome: "published",
    channel: "prod",
    revision: 2,
    pathCount: 4,
    changes: {
      beforeRevision: 1,
      packages: [
        { name: "jq", before: [], after: ["1.7"] },
        { name: "nixos-system-till", before: ["1"], after: ["2"] },
        { name: "openssh", before: ["9.6p1"], after: ["9.7p1"] },
      ],
      addedPaths: 3,
      removedPaths: 2,
      downloadBytes: 1200,
      rebootRequired: true,
    },
  });
});

it("does nothing and is content when the head has the same content already", async () => {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  const host = await run(double, publicationOf(CLOSURE_1));
  expect(host.out()).toBe("already published as r1 on prod\n");
  expect(double.requests).toHaveLength(1);
});

it("a dry run signs and sends nothing", async () => {
  const double = serverDouble();
  const host = await run(double, publicationOf(CLOSURE_1, { dryRun: true }));
  expect(host.out()).toMatch(/nothing was signed or published \(--dry-run\)\n$/u);
  expect(double.requests).toEqual([]);
});

it("asks on a terminal, and a no sends nothing", async () => {
  const double = serverDouble();
  const no = answering(false);
  await expect(run(double, publicationOf(CLOSURE_1), { ask: no })).rejects.toThrow(
    "nothing was published",
  );
  expect(no.questions).toEqual(["Sign and publish r1 on prod?"]);
  expect(double.requests).toEqual([]);
  await run(double, publicationOf(CLOSURE_1), { ask: answering(true) });
  expect(double.requests).toHaveLength(1);
});

it("shows what changes before it asks, also when told to be quiet", async () => {
  const shown: string[] = [];
  const host = recordingHost();
  const ask = answering(true);
  ask.confirm = async () => {
    shown.push(host.err());
    return true;
  };
  const output = createOutput(host, { json: false, quiet: true });
  const { server } = serverDouble();
  const needsReboot = async () => undefined;
  await publish(publicationOf(CLOSURE_1), { server, host, output, ask, needsReboot });
  expect(shown).toEqual([expect.stringMatching(/^prod r1 nixos-system-till-1\n/u)]);
});

it("pins a key once that is given twice", async () => {
  const double = serverDouble();
  const twice = {
    ...publicationOf(CLOSURE_1),
    signers: [keySigner(KEY), keySigner(KEY)],
    otherKeys: [publicHalf(KEY)],
  };
  await run(double, twice);
  expect(double.requests[0]?.publicKeys).toHaveLength(1);
});

it("--yes answers in advance", async () => {
  const double = serverDouble();
  const no = answering(false);
  await run(double, publicationOf(CLOSURE_1, { yes: true }), { ask: no });
  expect(no.questions).toEqual([]);
  expect(double.requests).toHaveLength(1);
});

it("signing is no oracle: a head that the own keys do not prove is not signed after", async () => {
  const double = serverDouble();
  const content = partOf(CLOSURE_1).content;
  const forged = signedRelease(
    { ...content, substituters: [...content.substituters], revision: 4_000_000n },
    [STRANGER],
  );
  double.releases.set(4_000_000n, forged);
  await expect(run(double, publicationOf(CLOSURE_2))).rejects.toThrow(
    expect.objectContaining({
      kind: "unproven",
      message: expect.stringMatching(
        /^the server names r4000000 \S+ as head of prod, which your keys do not prove: /u,
      ),
    }),
  );
  expect(double.requests).toEqual([]);
});

it("fast-forward: an old envelope under a higher number proves nothing", async () => {
  const double = serverDouble();
  const content = partOf(CLOSURE_1).content;
  const lie = signedRelease(
    { ...content, substituters: [...content.substituters], revision: 3n },
    [KEY.seed],
    { revision: 9_007_199_254_740_990n },
  );
  double.releases.set(lie.revision, lie);
  await expect(run(double, publicationOf(CLOSURE_2))).rejects.toThrow(
    /do not prove: its envelope is signed for r3; /u,
  );
  expect(double.requests).toEqual([]);
});

it("replay from another channel: its head proves nothing here", async () => {
  const double = serverDouble();
  const content = partOf(CLOSURE_1).content;
  const other = signedRelease(
    { ...content, substituters: [...content.substituters], channel: "lab", revision: 9n },
    [KEY.seed],
  );
  double.releases.set(9n, other);
  await expect(run(double, publicationOf(CLOSURE_2))).rejects.toThrow(/channel "lab"/u);
});

it("on a terminal an unproven head needs the number typed, and --yes does not stand for it", async () => {
  const double = serverDouble();
  double.releases.set(
    5n,
    signedRelease({ ...partOf(CLOSURE_1).content, substituters: [], revision: 5n }, [STRANGER]),
  );
  const no = answering(false);
  await expect(run(double, publicationOf(CLOSURE_2, { yes: true }), { ask: no })).rejects.toThrow(
    "the head was not confirmed",
  );
  expect(no.questions).toEqual(["Sign r6 after it all the same?"]);
  await run(double, publicationOf(CLOSURE_2), { ask: answering(true) });
  expect(arrived(double)[0]?.revision).toBe(6n);
});

it("proves the head by another signer's key that is given", async () => {
  const double = serverDouble();
  const other = { name: "ci", seed: STRANGER };
  double.releases.set(
    5n,
    signedRelease({ ...partOf(CLOSURE_1).content, substituters: [], revision: 5n }, [STRANGER]),
  );
  await run(double, { ...publicationOf(CLOSURE_2), otherKeys: [publicHalf(other)] });
  expect(arrived(double)[0]?.revision).toBe(6n);
});

it("takes the number that is asked for, but not one below the head", async () => {
  const double = serverDouble();
  double.releases.set(5n, ourRelease(5n));
  await run(double, publicationOf(CLOSURE_2, { revision: 17n }));
  expect(arrived(double)[0]?.revision).toBe(17n);
  await expect(run(double, publicationOf(CLOSURE_1, { revision: 9n }))).rejects.toThrow(
    "--revision 9 is not above the head r17; leave it out to take r18",
  );
});

it("publishes what devices have already under the number that is asked for", async () => {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  await run(double, publicationOf(CLOSURE_1, { revision: 8n }));
  expect(arrived(double)[1]?.revision).toBe(8n);
});

it("a jump over a thousand is asked about, and refused where nobody answers", async () => {
  const double = serverDouble();
  double.releases.set(5n, ourRelease(5n));
  const jump = publicationOf(CLOSURE_2, { revision: 1006n });
  await expect(run(double, jump)).rejects.toThrow(
    "r1006 is 1001 above the head, and devices never go back. confirm with --yes",
  );
  await expect(run(double, jump, { ask: answering(false) })).rejects.toThrow("was not confirmed");
  expect(double.requests).toEqual([]);
  await run(double, publicationOf(CLOSURE_2, { revision: 1006n, yes: true }));
  expect(arrived(double)[0]?.revision).toBe(1006n);
});

it("when another release takes the number, reads the head again and signs the next", async () => {
  const double = serverDouble();
  double.releases.set(1n, ourRelease(1n));
  let overtakers = 2;
  double.beforePublish = () => {
    if (overtakers === 0) return;
    overtakers -= 1;
    const revision = BigInt(double.releases.size + 1);
    double.releases.set(revision, ourRelease(revision, [closurePath(`other-${revision}`)]));
  };
  const host = await run(double, publicationOf(CLOSURE_2));
  expect(arrived(double).map(({ revision }) => revision)).toEqual([2n, 3n, 4n]);
  expect(host.err()).toMatch(/another release took r2; reading the head again/u);
  expect(host.out()).toBe("published r4 on prod\n");
});

it("gives up after five overtakings", async () => {
  const double = serverDouble();
  double.releases.set(1n, ourRelease(1n));
  double.beforePublish = () => {
    const revision = BigInt(double.releases.size + 1);
    double.releases.set(revision, ourRelease(revision, [closurePath(`other-${revision}`)]));
  };
  await expect(run(double, publicationOf(CLOSURE_2))).rejects.toThrow(
    expect.objectContaining({ kind: "refused", message: expect.stringContaining("r6 is taken") }),
  );
  expect(double.requests).toHaveLength(5);
});

it("does not take another number than the one that was asked for", async () => {
  const double = serverDouble();
  double.releases.set(1n, ourRelease(1n));
  double.beforePublish = () => double.releases.set(7n, ourRelease(7n, [closurePath("other")]));
  await expect(run(double, publicationOf(CLOSURE_2, { revision: 7n }))).rejects.toThrow(
    "r7 is taken",
  );
  expect(double.requests).toHaveLength(1);
});

it("a lost connection: the same bytes go again, and the release is there once", async () => {
  const double = serverDouble();
  let losses = 2;
  double.afterPublish = () => {
    if (losses === 0) return;
    losses -= 1;
    throw lostConnection();
  };
  const host = await run(double, publicationOf(CLOSURE_1));
  expect(host.out()).toMatch(/^already published as r1 on prod/u);
  expect(host.waits).toEqual([500, 1000]);
  expect(double.requests).toHaveLength(3);
  expect(new Set(double.requests.map(({ envelopes }) => `${envelopes[0]}`)).size).toBe(1);
  expect(double.releases.size).toBe(1);
});

it("gives up on a server that stays away", async () => {
  const double = serverDouble();
  double.beforePublish = () => {
    throw lostConnection();
  };
  const host = recordingHost();
  await expect(run(double, publicationOf(CLOSURE_1), { host })).rejects.toThrow(
    expect.objectContaining({ kind: "unreachable" }),
  );
  expect(host.waits).toEqual([500, 1000, 2000, 4000, 8000]);
});

it("refuses to sign what devices would refuse", async () => {
  const double = serverDouble();
  const flag = partOf(CLOSURE_1, { storePath: "/nix/store/--no-check-sigs" });
  await expect(run(double, releaseOf([flag]))).rejects.toThrow(
    /^devices would refuse the manifest: /u,
  );
  expect(double.requests).toEqual([]);
});

it("compares with the listing that the head pins, and with no other that the server gives", async () => {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  for (const digest of double.listings.keys())
    double.listings.set(digest, makeListing([closurePath("made-up-1")]));
  const host = await run(double, publicationOf(CLOSURE_2));
  expect(host.err()).toContain("cannot be compared: there is no listing that the head pins");
  expect(host.err()).not.toContain("made-up");
});

it("warns that nobody is offered the release while its channel is paused", async () => {
  const double = serverDouble();
  double.afterPublish = () => {
    const release = double.releases.get(1n);
    if (release === undefined) throw new Error("nothing was published");
    release.rollout = create(RolloutSchema, {
      state: RolloutState.PAUSED,
      explanation: "channel prod is paused; resume it",
    });
  };
  const host = await run(double, publicationOf(CLOSURE_1));
  expect(host.err()).toContain(
    "warning: no device is offered r1 yet: channel prod is paused; resume it\n",
  );
});
