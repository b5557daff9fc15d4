import { randomBytes } from "node:crypto";

import { create, toBinary } from "@bufbuild/protobuf";
import { signManifest } from "@nix-ota/proto";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { toBase64 } from "@nix-ota/proto/hash";
import { type Manifest, ManifestSchema, RejectCode } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { signPayload } from "@nix-ota/proto/signed-manifest";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentConfig, closureConfig } from "../src/agent-config.ts";
import { Cache } from "../src/cache.ts";
import { FleetDevice } from "../src/fleet-device.ts";
import { HOST_SYSTEM, OTHER_SYSTEM } from "../src/host-system.ts";
import { LyingServer } from "../src/lying-server.ts";
import { Workshop } from "../src/workshop.ts";

const SEED = randomBytes(32);
const STRANGER = randomBytes(32);
const FLOOR = 5n;
const HOUR_S = 3_600n;
const DAY_S = 24n * HOUR_S;

let workshop: Workshop;
let cache: Cache;
let liar: LyingServer;
let fridge: FleetDevice;
let evil: string;
let signedAtS: bigint;
let floorEnvelope: Uint8Array;

/** A device whose floor is r5 of channel prod, target fridge, fleet kitchens. */
beforeAll(async () => {
  workshop = await Workshop.open();
  const publicKey = `release:${toBase64(publicKeyOf(SEED))}`;
  cache = await Cache.start(workshop.cacheDir);
  liar = await LyingServer.start();
  const caches = [{ url: cache.url, publicKey: workshop.key.publicKey }];
  const surroundings = { server: liar.url, channel: "prod", publicKey, caches };
  const identity = { target: "fridge", fleet: "kitchens" };
  const agentJson = { ...closureConfig(surroundings), ...identity };
  const factory = await workshop.release({ gen: 0, agentJson });
  const good = await workshop.release({ gen: 1, agentJson });
  evil = await workshop.release({ gen: 666, agentJson });
  const device = await workshop.device("fridge", factory);
  fridge = await FleetDevice.create(
    device,
    agentConfig(device, surroundings, {
      ...identity,
      allowedSubstituters: [cache.url],
      // Any file that is there: the device holds its own clock for right.
      settings: { clock: { synchronizedFile: "/run/boot-id" } },
    }),
  );
  signedAtS = BigInt(Math.floor(Date.now() / 1000));
  floorEnvelope = signManifest(manifest({ revision: FLOOR, storePath: good }), [SEED]);
  liar.envelope = floorEnvelope;
  const took = await fridge.once();
  expect(took, took.stderr).toMatchObject({ code: 0 });
  expect((await device.links()).running).toBe(good);
});

afterAll(async () => {
  await liar[Symbol.asyncDispose]();
  await cache[Symbol.asyncDispose]();
  await workshop[Symbol.asyncDispose]();
});

function manifest(changes: Partial<Omit<Manifest, "$typeName" | "$unknown">> = {}): Manifest {
  return create(ManifestSchema, {
    schema: 1,
    fleet: "kitchens",
    channel: "prod",
    target: "fridge",
    revision: FLOOR + 1n,
    system: HOST_SYSTEM,
    storePath: evil,
    substituters: [cache.url],
    closureBytes: 50_000_000n,
    issuedAtS: signedAtS,
    ...changes,
  });
}

const signed = (changes: Parameters<typeof manifest>[0]) => signManifest(manifest(changes), [SEED]);

/** Payload of `manifest` with one byte of the store path's name changed, under the old signature. */
function tampered(): Uint8Array {
  const envelope = signManifest(manifest(), [SEED]);
  const at = Buffer.from(envelope).indexOf("666");
  const bytes = Uint8Array.from(envelope);
  bytes[at] = "7".charCodeAt(0);
  return bytes;
}

const lies: readonly (readonly [
  title: string,
  reject: keyof typeof RejectCode,
  () => Uint8Array,
])[] = [
  [
    "arbitrary software, signed by nobody known",
    "BAD_SIGNATURE",
    () => signManifest(manifest(), [STRANGER]),
  ],
  ["a tampered payload", "BAD_SIGNATURE", tampered],
  ["garbage instead of an envelope", "MALFORMED", () => randomBytes(200)],
  ["a truncated envelope", "MALFORMED", () => signed({}).slice(0, -10)],
  [
    "bytes behind the envelope",
    "MALFORMED",
    () => Buffer.concat([signed({}), Buffer.from([0x0a, 0x00])]),
  ],
  [
    "an unknown critical field",
    "MALFORMED",
    () =>
      signPayload(
        Buffer.concat([toBinary(ManifestSchema, manifest()), Buffer.from([0xa0, 0x01, 0x01])]),
        [SEED],
      ),
  ],
  ["an oversized envelope", "TOO_LARGE", () => new Uint8Array(25 * 1024)],
  ["a later schema", "UNSUPPORTED", () => signed({ schema: 2 })],
  ["a manifest for agents of a later level", "UNSUPPORTED", () => signed({ minAgentLevel: 99 })],
  ["replay of an older release", "REPLAY", () => signed({ revision: FLOOR - 1n })],
  ["replay from another channel", "WRONG_CHANNEL", () => signed({ channel: "beta" })],
  ["replay from another fleet", "WRONG_FLEET", () => signed({ fleet: "labs" })],
  ["replay from another target", "WRONG_TARGET", () => signed({ target: "oven" })],
  ["a withheld target: the general manifest instead", "WRONG_TARGET", () => signed({ target: "" })],
  ["software for another system", "WRONG_SYSTEM", () => signed({ system: OTHER_SYSTEM })],
  [
    "freeze: a manifest past its end",
    "EXPIRED",
    () => signed({ issuedAtS: signedAtS - 2n * HOUR_S, notAfterS: signedAtS - HOUR_S }),
  ],
  [
    "a signer's clock from the future",
    "EXPIRED",
    () => signed({ issuedAtS: signedAtS + 2n * DAY_S }),
  ],
  [
    "equivocation: another payload under the floor's number",
    "EQUIVOCATION",
    () => signed({ revision: FLOOR }),
  ],
  [
    "fast-forward to use up all numbers",
    "FAST_FORWARD",
    () => signed({ revision: FLOOR + 2_000_000n }),
  ],
  ["a store path that is a flag", "BAD_PATH", () => signed({ storePath: "--no-check-sigs" })],
  [
    "a substituter that carries trusted=",
    "BAD_SUBSTITUTER",
    () => signed({ substituters: [`${cache.url}?trusted=true`] }),
  ],
  [
    "a substituter outside the device's list",
    "BAD_SUBSTITUTER",
    () => signed({ substituters: ["https://mirror.example.org"] }),
  ],
];

describe("a server that lies", () => {
  test.each(lies)("is refused: %s (%s)", async (_, reject, lie) => {
    const before = await picture();
    liar.envelope = lie();
    liar.reports.length = 0;
    const result = await fridge.once();
    expect(liar.reports.at(-1)?.attempt?.rejectCode, result.stderr).toBe(RejectCode[reject]);
    expect(result.code).not.toBe(0);
    expect(await picture()).toEqual(before);
    expect(liar.reports.at(-1)?.floor?.revision).toBe(FLOOR);
  });

  test("is told the floor with every question, so that a stale replica can look again", () => {
    expect(liar.askedAbove).toBe(FLOOR);
  });

  test("is believed again once it serves what was signed", async () => {
    liar.envelope = floorEnvelope;
    liar.reports.length = 0;
    expect(await fridge.once()).toMatchObject({ code: 0 });
    expect(liar.reports.at(-1)?.floor?.revision).toBe(FLOOR);
  });
});

/** Where the device stands, and what it has of the system that it was lied into. */
async function picture() {
  const { code } = await fridge.device.exec(["nix", "path-info", "--", evil]);
  return { links: await fridge.device.links(), evilIsFetched: code === 0 };
}
