import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { create } from "@bufbuild/protobuf";
import { publicHalf } from "@nix-ota/proto/key-file";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { signManifest } from "@nix-ota/proto/signed-manifest";
import { expect, it } from "vitest";

import { createOutput } from "../output.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { serverDouble, signedRelease } from "../server-double.testkit.ts";
import { storePathOf } from "../store-paths.testkit.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";
import { inspectEnvelope } from "./inspect.ts";
import { readEnvelope } from "./source.ts";
import { verifyEnvelope, type Demands } from "./verify.ts";

const SEED = new Uint8Array(32).fill(7);
const VALUES = {
  schema: 1,
  channel: "prod",
  revision: 42n,
  system: "x86_64-linux",
  storePath: storePathOf("nixos-system-till-25.05"),
  substituters: ["https://cache.test"],
  closureBytes: 1_234_567n,
  issuedAtS: BigInt(NOW_MS / 1000),
  message: "update the till",
};

function envelopeOf(values: Partial<Omit<Manifest, "$typeName" | "$unknown">> = {}): Uint8Array {
  return signManifest(create(ManifestSchema, { ...VALUES, ...values }), [SEED]);
}

const DEMANDS: Demands = {
  publicKeys: [publicHalf({ name: "sign", seed: SEED })],
  threshold: 1,
  fleet: undefined,
  channel: "prod",
  target: undefined,
  system: undefined,
  revision: undefined,
};

function verify(envelope: Uint8Array, demands: Partial<Demands> = {}, json = false) {
  const host = recordingHost();
  const output = createOutput(host, { json, quiet: false });
  let error: unknown;
  try {
    verifyEnvelope(envelope, { ...DEMANDS, ...demands }, NOW_MS, output);
  } catch (caught) {
    error = caught;
  }
  return { out: host.out(), error };
}

it("prints every check of the gate, then what was signed", () => {
  expect(verify(envelopeOf())).toEqual({
    error: undefined,
    out: [
      "CHECK             RESULT     DETAIL",
      "size              ok         at most 24 KiB",
      "envelope          ok         one strict encoding",
      "payload type      ok         a manifest",
      "signature         ok         under 1 given",
      "threshold         ok         1 distinct",
      "manifest          ok         no unknown critical field",
      "schema and level  ok         schema 1, agent level 1",
      "fleet             not asked",
      "channel           ok         prod",
      "system            not asked",
      "target            not asked",
      "store path        ok         the form of one",
      "caches            ok         plain URLs",
      "expiry            ok         at 2026-11-22T12:00:00.000Z",
      "floor             not asked",
      "quarantine        not asked",
      "",
      "signed by  sign",
      "channel    prod",
      "revision   r42",
      "system     x86_64-linux",
      `path       ${VALUES.storePath}`,
      "caches     https://cache.test",
      "closure    1.2 MiB",
      "listing    not pinned",
      "signed at  2026-11-22T12:00:00.000Z",
      "expires    never",
      "message    update the till",
      "",
    ].join("\n"),
  });
});

it.each<[string, Uint8Array, Partial<Demands>, string, string]>([
  [
    "a stranger's key",
    envelopeOf(),
    { publicKeys: [publicHalf({ name: "x", seed: new Uint8Array(32).fill(8) })] },
    "signature",
    "BAD_SIGNATURE",
  ],
  ["another channel", envelopeOf({ channel: "lab" }), {}, "channel", "WRONG_CHANNEL"],
  ["another target", envelopeOf({ target: "back" }), { target: "" }, "target", "WRONG_TARGET"],
  ["an expired one", envelopeOf({ issuedAtS: 1n, notAfterS: 2n }), {}, "expiry", "EXPIRED"],
  ["a cut envelope", envelopeOf().slice(0, 50), {}, "envelope", "MALFORMED"],
  ["a signed revision of 0", envelopeOf({ revision: 0n }), {}, "manifest", "MALFORMED"],
  ["an oversized one", new Uint8Array(24_577), {}, "size", "TOO_LARGE"],
  [
    "another revision than asked for",
    envelopeOf(),
    { revision: 41n },
    "revision",
    "OTHER_REVISION",
  ],
])("names the check that %s fails", (_, envelope, demands, check, code) => {
  const { out, error } = verify(envelope, demands);
  expect(out).toMatch(new RegExp(`^${check} +failed +\\S`, "mu"));
  expect(error).toMatchObject({ kind: "rejected", message: expect.stringMatching(`^${code}: `) });
  const document = JSON.parse(verify(envelope, demands, true).out);
  expect(document).toMatchObject({ verified: false, code, manifest: null });
});

it("what comes after a failed check is not reached", () => {
  const { out } = verify(envelopeOf({ channel: "lab" }));
  expect(out).toMatch(/^signature +ok/mu);
  expect(out).toMatch(/^system +not reached/mu);
  expect(out).not.toContain("signed by");
});

it("inspect says what an envelope holds, and that nothing of it is verified", () => {
  const host = recordingHost();
  inspectEnvelope(envelopeOf(), createOutput(host, { json: false, quiet: false }));
  expect(host.err()).toMatch(/nothing of this is verified; nix-ota verify checks who signed it/u);
  expect(host.out()).toMatch(/^revision +r42$/mu);
  expect(host.out()).toMatch(/^signatures +1, by key id fe812c12f3ab4ce6ac5db69ac352f906$/mu);
});

it("inspect does not print what a manifest smuggles into its message", () => {
  const host = recordingHost();
  const output = createOutput(host, { json: false, quiet: false });
  inspectEnvelope(envelopeOf({ message: "ok\u001b[2J\nrevision r1" }), output);
  expect(host.out()).toMatch(/^message +ok\[2J revision r1$/mu);
});

it("inspect refuses what is no envelope", () => {
  const output = createOutput(recordingHost(), { json: false, quiet: false });
  expect(() => inspectEnvelope(new Uint8Array(5), output)).toThrow(/^no envelope: /u);
});

const noServer = async (): Promise<never> => {
  throw new Error("asked the server");
};

it("reads an envelope from a file, and no more of it than tells that it is too large", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "e");
  await writeFile(file, envelopeOf());
  expect(await readEnvelope({ kind: "file", file }, noServer)).toEqual(envelopeOf());
  await writeFile(file, new Uint8Array(1_000_000));
  expect((await readEnvelope({ kind: "file", file }, noServer)).length).toBe(24_577);
  await expect(
    readEnvelope({ kind: "file", file: join(folder.path, "absent") }, noServer),
  ).rejects.toThrow(/cannot be opened/u);
});

it("reads the envelope of a release, and says which targets there are", async () => {
  const double = serverDouble();
  const release = signedRelease({ ...VALUES, target: "front" }, [SEED]);
  double.releases.set(42n, release);
  const source = { kind: "release", channel: "prod", target: "front", revision: 0n } as const;
  const connect = async () => double.server;
  expect(await readEnvelope(source, connect)).toEqual(release.manifests[0]?.envelope);
  await expect(readEnvelope({ ...source, target: "" }, connect)).rejects.toThrow(
    "r42 on prod has no manifest for devices without a target; it has: front",
  );
});
