import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { create, toBinary } from "@bufbuild/protobuf";
import { toHex } from "@nix-ota/proto/hash";
import { publicHalf } from "@nix-ota/proto/key-file";
import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { decodeEnvelope, signManifest } from "@nix-ota/proto/signed-manifest";
import { expect, it } from "vitest";

import { createOutput } from "../output.ts";
import { manifestOf } from "../publish/content.ts";
import { proveManifest } from "../publish/head.ts";
import {
  CLOSURE_1,
  CLOSURE_2,
  KEY,
  STRANGER,
  answering,
  arrived,
  partOf,
  publicationOf,
  run as publishRun,
} from "../publish/publication.testkit.ts";
import { recordingHost } from "../recording-host.testkit.ts";
import { serverDouble, type ServerDouble } from "../server-double.testkit.ts";
import { keySigner } from "../signing/signer.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";
import { envelopesOf } from "./envelopes.ts";
import { prepareRelease } from "./prepare.ts";
import { publishFile } from "./publish-file.ts";
import { readMerged, readRelease } from "./read.ts";
import { parseReleaseFile, printReleaseFile, type ReleaseFile } from "./release-file.ts";
import { signRelease, type SigningWishes } from "./sign.ts";

const SECOND = { name: "second", seed: STRANGER };

function meansOf(double: ServerDouble, ask = answering(undefined)) {
  const host = recordingHost();
  const output = createOutput(host, { json: false, quiet: false });
  return { server: double.server, host, output, ask, needsReboot: async () => undefined };
}

/** A release on prod after `double`'s head, as the machine that prepares it writes it. */
async function prepared(double: ServerDouble, parts = [partOf(CLOSURE_2)]): Promise<ReleaseFile> {
  const { wishes } = publicationOf(CLOSURE_2);
  const publicKeys = [publicHalf(KEY)];
  const made = await prepareRelease({ wishes, parts, publicKeys }, meansOf(double));
  if (made === undefined) throw new Error("nothing to prepare");
  return parseReleaseFile(printReleaseFile(made.release), "f");
}

async function afterFirst(): Promise<ServerDouble> {
  const double = serverDouble();
  await publishRun(double, publicationOf(CLOSURE_1));
  return double;
}

async function signed(
  release: ReleaseFile,
  given: Partial<SigningWishes> & {
    keys?: readonly (typeof KEY)[];
    others?: readonly (typeof KEY)[];
    ask?: ReturnType<typeof answering>;
  } = {},
) {
  const { keys = [KEY], others = [], ask = answering(undefined), ...wishes } = given;
  const host = recordingHost();
  const output = createOutput(host, { json: false, quiet: false });
  const file = await signRelease(
    release,
    { signers: keys.map(keySigner), otherKeys: others.map(publicHalf) },
    { channel: undefined, revision: undefined, threshold: 1, yes: true, ...wishes },
    { host, output, ask },
  );
  return { file, err: host.err() };
}

it("prepares, signs elsewhere and publishes from a third place the very bytes that were prepared", async () => {
  const double = await afterFirst();
  const file = await prepared(double);
  const { file: done, err } = await signed(file);
  // What the signer sees is computed from the bytes, the listings and the proven release before.
  expect(err).toBe(
    [
      "prod r1 → r2 nixos-system-till-2",
      `  path       ${CLOSURE_2[0]?.path}`,
      "  packages   2 changed, 1 added, 0 removed",
      "             + jq 1.7",
      "               nixos-system-till 1 → 2",
      "               openssh 9.6p1 → 9.7p1",
      "  closure    3.9 KiB in 4 paths (+1000 B)",
      "  reboot     not known: the system before is not in this store",
      "  system     x86_64-linux",
      "  contents   pinned by their hashes",
      "  caches     https://cache.test",
      "  prepared   2026-11-22T12:00:00.000Z",
      "  signed by  sign (key id fe812c12f3ab4ce6ac5db69ac352f906)",
      "",
    ].join("\n"),
  );
  expect(done.manifests[0]?.payload).toEqual(file.manifests[0]?.payload);
  const published = await publishFile(
    done,
    [publicHalf(KEY)],
    { threshold: 1, dryRun: false, yes: false },
    meansOf(double),
  );
  expect(published).toEqual({ channel: "prod", revision: 2n });
  expect(arrived(double)[1]).toEqual(file.manifests[0]?.manifest);
  expect(double.requests[1]?.listings).toEqual([makeListing(CLOSURE_2)]);
});

it("puts the signatures of several files together, and adds to those that are there", async () => {
  await using folder = await temporaryFolder();
  const file = await prepared(await afterFirst());
  const [a, b] = [await signed(file), await signed(file, { keys: [SECOND], others: [KEY] })];
  const names = await Promise.all(
    [a.file, b.file].map(async (release, index) => {
      const name = join(folder.path, `${index}`);
      await writeFile(name, printReleaseFile(release));
      return name;
    }),
  );
  const merged = await readMerged(names);
  const oneAfterTheOther = await signed(a.file, { keys: [SECOND], others: [KEY] });
  for (const release of [merged, oneAfterTheOther.file]) {
    const [only] = envelopesOf(release);
    const keys = [KEY, SECOND].map((key) => publicHalf(key).publicKey);
    expect(
      proveManifest(only?.envelope ?? new Uint8Array(), "prod", { publicKeys: keys, threshold: 2 }),
    ).toMatchObject({ ok: true, signedBy: keys });
  }
  // Signing twice with one key is signing once.
  expect((await signed(a.file)).file.manifests[0]?.signatures).toHaveLength(1);
});

it("signs an envelope as well, and says that nobody can see what its listing holds", async () => {
  const double = await afterFirst();
  const [manifest] = double.releases.get(1n)?.manifests ?? [];
  await using folder = await temporaryFolder();
  const name = join(folder.path, "envelope");
  await writeFile(name, manifest?.envelope ?? "");
  const release = await readRelease(name);
  const { file, err } = await signed(release, { keys: [SECOND], others: [KEY] });
  expect(err).toContain("packages   not known: the listing that it pins is not at hand\n");
  expect(file.manifests[0]?.signatures).toHaveLength(2);
  await writeFile(name, new Uint8Array([10, 1]));
  await expect(readRelease(name)).rejects.toThrow(/is neither a release file nor the envelope/u);
});

it("does not put files together that hold different manifests", async () => {
  await using folder = await temporaryFolder();
  const double = await afterFirst();
  const files = [
    await prepared(double),
    await prepared(double, [partOf(CLOSURE_2, { message: "x" })]),
  ];
  const names = await Promise.all(
    files.map(async (release, index) => {
      const name = join(folder.path, `${index}`);
      await writeFile(name, printReleaseFile(release));
      return name;
    }),
  );
  await expect(readMerged(names)).rejects.toThrow(/hold different manifests/u);
});

it("signing is no oracle: a number that nothing proves is not signed without being asked for", async () => {
  const double = await afterFirst();
  const file = await prepared(double);
  for (const before of [
    [],
    [signManifest(manifestOf(partOf(CLOSURE_1).content, 1n, 0), [STRANGER])],
  ]) {
    const doubtful = { ...file, before };
    await expect(signed(doubtful)).rejects.toThrow(
      /^r2 is not proven; name the keys that signed before with --public-key, or the number with --revision$/u,
    );
    const no = answering(false);
    await expect(signed(doubtful, { ask: no })).rejects.toThrow("nothing was signed");
    expect(no.questions).toEqual(["Sign r2 on prod all the same?"]);
    expect((await signed(doubtful, { revision: 2n })).file.manifests[0]?.signatures).toHaveLength(
      1,
    );
  }
});

it("fast-forward: a jump over a thousand is not signed unless the number is asked for", async () => {
  const file = await prepared(await afterFirst());
  const [only] = file.manifests;
  if (only === undefined) throw new Error("no manifest");
  const far = changedTo(file, { revision: 1003n });
  await expect(signed(far)).rejects.toThrow(/^r1003 is not proven/u);
  expect((await signed(far, { revision: 1003n })).err).toContain("r1 → r1003");
  expect((await signed(changedTo(file, { revision: 1001n }))).file.manifests).toHaveLength(1);
});

it("replay: does not sign a number that the own keys signed already", async () => {
  const file = await prepared(await afterFirst());
  await expect(signed(changedTo(file, { revision: 1n }))).rejects.toThrow(
    /^r1 is not above r1, which your keys/u,
  );
});

it("without a terminal --yes is needed, on one a no signs nothing", async () => {
  const file = await prepared(await afterFirst());
  await expect(signed(file, { yes: false })).rejects.toThrow("confirm with --yes");
  const no = answering(false);
  await expect(signed(file, { yes: false, ask: no })).rejects.toThrow("nothing was signed");
  expect(no.questions).toEqual(["Sign r2 on prod?"]);
});

it.each<[string, Partial<SigningWishes>, string]>([
  ["channel", { channel: "lab" }, "the file is for channel prod, not lab as --channel says"],
  ["revision", { revision: 3n }, "the file is r2, not r3 as --revision says"],
])("does not sign another %s than was meant", async (_, wishes, message) => {
  await expect(signed(await prepared(await afterFirst()), wishes)).rejects.toThrow(message);
});

it("shows the leave that a manifest gives, which this program would not have written", async () => {
  const file = await prepared(await afterFirst());
  const leave = { nextChannel: "lab", allowKeyChange: true, allowAgentRemoval: true };
  const { err } = await signed(changedTo(file, leave));
  expect(err).toContain(
    "leave      devices may move to channel lab, a system without agent, a system that trusts other keys",
  );
});

type Document = {
  manifests: { payload: string; signatures: unknown[] }[];
  before: string[];
  listings: Record<string, string>;
};

it.each<[string, (document: Document) => unknown]>([
  ["a field of a later version", (document) => ({ ...document, later: 1 })],
  ["another form", (document) => ({ ...document, nixOtaRelease: 2 })],
  ["no manifest", (document) => ({ ...document, manifests: [] })],
  [
    "a manifest twice",
    (document) => ({ ...document, manifests: [...document.manifests, ...document.manifests] }),
  ],
  ["a pinned listing left out", (document) => ({ ...document, listings: {} })],
  [
    "another listing under the digest",
    (document) => ({
      ...document,
      listings: Object.fromEntries(
        Object.keys(document.listings).map((hex) => [
          hex,
          new TextDecoder().decode(makeListing([...CLOSURE_1, ...CLOSURE_2])),
        ]),
      ),
    }),
  ],
  [
    "a payload with a byte more",
    (document) => withPayload(document, `${document.manifests[0]?.payload}AAAA`),
  ],
  [
    "an unknown advisory field",
    (document) => withPayload(document, withField100(document.manifests[0]?.payload ?? "")),
  ],
  [
    "a signature that is none",
    (document) => ({
      ...document,
      manifests: [{ ...document.manifests[0], signatures: [{ keyId: "00", signature: "AA==" }] }],
    }),
  ],
])("refuses a file with %s", async (_, change) => {
  const text = printReleaseFile(await prepared(await afterFirst()));
  const changed = JSON.stringify(change(JSON.parse(text) as Document));
  expect(() => parseReleaseFile(text, "f")).not.toThrow();
  expect(() => parseReleaseFile(changed, "f")).toThrow(
    expect.objectContaining({ kind: "rejected" }),
  );
});

it.each<[string, Partial<Omit<Manifest, "$typeName" | "$unknown">>]>([
  ["channel", { channel: "prod\u001b[2J" }],
  ["target", { target: "Front" }],
  ["next channel", { nextChannel: "a b" }],
  ["store path", { storePath: "/nix/store/--no-check-sigs" }],
  ["cache", { substituters: ["https://cache.test/?trusted=true"] }],
  ["system", { system: "x" }],
])(
  "shows no manifest whose %s is none, for it could pass for something else",
  async (_, values) => {
    const text = printReleaseFile(changedTo(await prepared(await afterFirst()), values));
    expect(() => parseReleaseFile(text, "f")).toThrow(/^f holds no sound manifest 1: /u);
  },
);

it("does not stumble over times that no calendar has, which devices refuse", async () => {
  const endless = { issuedAtS: 2n ** 62n, notAfterS: 2n ** 63n - 1n };
  await expect(signed(changedTo(await prepared(await afterFirst()), endless))).rejects.toThrow(
    `devices would refuse the manifest: signing time ${2n ** 62n} s is none`,
  );
});

/** The file with other values in its manifest. */
function changedTo(
  file: ReleaseFile,
  values: Partial<Omit<Manifest, "$typeName" | "$unknown">>,
): ReleaseFile {
  const manifests = file.manifests.map(({ manifest }) => {
    const other = create(ManifestSchema, { ...manifest, ...values });
    return { payload: toBinary(ManifestSchema, other), manifest: other, signatures: [] };
  });
  return { ...file, manifests };
}

it("refuses a file whose listing does not hold the system that is signed", async () => {
  const file = await prepared(await afterFirst());
  const listing = makeListing(CLOSURE_1);
  const digest = listingDigest(listing);
  const manifests = file.manifests.map(({ manifest }) => {
    const other = create(ManifestSchema, { ...manifest, closureDigest: digest });
    return { payload: toBinary(ManifestSchema, other), manifest: other, signatures: [] };
  });
  const listings = new Map([[toHex(digest), listing]]);
  const text = printReleaseFile({ ...file, manifests, listings });
  expect(() => parseReleaseFile(text, "f")).toThrow(/pins a listing that does not hold \/nix/u);
});

it("publishes only what is signed, under the keys that are named", async () => {
  const double = await afterFirst();
  const file = await prepared(double);
  const publishIt = async (release: ReleaseFile, keys: readonly (typeof KEY)[], threshold = 1) =>
    publishFile(
      release,
      keys.map(publicHalf),
      { threshold, dryRun: false, yes: false },
      meansOf(double),
    );
  await expect(publishIt(file, [KEY])).rejects.toThrow(/is not signed; sign the file/u);
  const { file: done } = await signed(file);
  await expect(publishIt(done, [SECOND])).rejects.toThrow(/r2 is not signed as asked for/u);
  await expect(publishIt(done, [KEY, SECOND], 2)).rejects.toThrow(/signed so far by sign$/u);
  expect(double.requests).toHaveLength(1);
  await publishIt(done, []);
  await publishIt(done, []);
  expect(double.releases.size).toBe(2);
});

it("says by which flag a first publish names the keys that it pins", async () => {
  const double = serverDouble();
  const { file } = await signed(await prepared(double));
  const wishes = { threshold: 1, dryRun: false, yes: false };
  await expect(publishFile(file, [], wishes, meansOf(double))).rejects.toThrow(
    "channel prod has no signing keys yet; name those that signed with --public-key",
  );
  await publishFile(file, [publicHalf(KEY)], wishes, meansOf(double));
  expect(double.releases.size).toBe(1);
});

it("asks to prepare again when another release took the number meanwhile", async () => {
  const double = await afterFirst();
  const { file } = await signed(await prepared(double));
  await publishRun(double, publicationOf(CLOSURE_2, { revision: 2n }));
  const other = { ...file };
  await expect(
    publishFile(
      jumpedSigned(other),
      [],
      { threshold: 1, dryRun: false, yes: false },
      meansOf(double),
    ),
  ).rejects.toThrow("another release took r2 on prod; prepare and sign it again");
});

/** Another payload under the same number, signed. */
function jumpedSigned(file: ReleaseFile): ReleaseFile {
  const manifests = file.manifests.map(({ manifest }) => {
    const other = create(ManifestSchema, { ...manifest, message: "another" });
    const decoded = decodeEnvelope(signManifest(other, [KEY.seed]));
    if (!decoded.ok) throw new Error(decoded.message);
    const { payload, signatures } = decoded.envelope;
    return { payload, manifest: other, signatures };
  });
  return { ...file, manifests };
}

function withPayload(document: Document, payload: string) {
  return { ...document, manifests: [{ ...document.manifests[0], payload }] };
}

/** The payload with field 100 behind it, a varint 1. */
function withField100(payload: string): string {
  return Buffer.concat([Buffer.from(payload, "base64"), Buffer.from([0xa0, 0x06, 0x01])]).toString(
    "base64",
  );
}
