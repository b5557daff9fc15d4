import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { signManifest } from "@nix-ota/proto";
import { PUBLIC_KEY, SEED, sampleManifest, seedOf } from "@nix-ota/proto/sample-manifest.testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

import { machinePorts } from "../adapters.ts";
import { testConfig } from "../config.testkit.ts";
import type { Ports } from "../ports/ports.ts";
import { STATUS } from "../request.ts";
import { makeBundleFolder, pathOf } from "../state/bundle-folder.testkit.ts";
import { applyBundle } from "./apply.ts";
import type { Call } from "./command.ts";

/** The command with the machine's own ports, up to where its wish would be durable. */

let folder: string;
let printed: string;
let logged: string[];
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "apply-"));
  printed = "";
  logged = [];
  const system = callWith().ports.host.system();
  const bare = { system, storePath: pathOf(0), closureDigest: new Uint8Array() };
  const envelope = signManifest(sampleManifest(bare), [SEED]);
  await makeBundleFolder(join(folder, "stick"), envelope, [{ number: 0 }]);
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const filesIn = async (name: string) => await readdir(join(folder, "state", name)).catch(() => []);

function callWith(
  settings: Readonly<Record<string, unknown>> = {},
  options: Call["options"] = {},
): Call {
  const config = testConfig({
    publicKey: Buffer.from(PUBLIC_KEY).toString("base64"),
    fleet: "kiosks",
    target: "till",
    stateDir: join(folder, "state"),
    settings: { clock: { synchronizedFile: "/nowhere" }, ...settings },
  });
  const environment = { PATH: process.env["PATH"] ?? "" };
  const deadMan = { running: ["true"], configFile: "/nowhere" } as const;
  return {
    config,
    environment,
    ports: {
      ...machinePorts(config, environment, deadMan),
      log: (_, message) => logged.push(message),
    },
    system: undefined,
    own: {},
    words: [],
    options: { bundle: join(folder, "stick"), ...options },
    print: (text) => {
      printed += text;
    },
  };
}

test("a dry run says what there is, and changes nothing", async () => {
  await mkdir(join(folder, "state/bundles/left"), { recursive: true });
  expect(await applyBundle(callWith({}, { "dry-run": true }), never)).toBe(STATUS.done);
  expect(printed).toMatch(/^r42 of prod: 1 paths, 0\.0 MiB; the device takes it/);
  expect(await filesIn("bundles")).toEqual(["left"]);
});

test("what the gate refuses is logged, and no report waits for the server", async () => {
  const system = callWith().ports.host.system();
  const envelope = signManifest(sampleManifest({ system }), [seedOf(9)]);
  await writeFile(join(folder, "stick/manifest"), envelope);
  expect(await applyBundle(callWith(), never)).toBe(STATUS.refused);
  expect(printed).toMatch(/^the bundle is refused as BAD_SIGNATURE: .*; .*\n$/);
  expect(logged).toEqual([expect.stringMatching(/^manifest of a bundle refused: /)]);
  expect([await filesIn("outbox"), await filesIn("requests")]).toEqual([[], []]);
});

test("what an earlier run left is gone before anything else is looked at", async () => {
  await mkdir(join(folder, "state/bundles/left"), { recursive: true });
  expect(await applyBundle(callWith({}, { bundle: "/nowhere" }), never)).toBe(STATUS.refused);
  expect(await filesIn("bundles")).toEqual([]);
});

type Hooked = (ports: Ports, stop: () => void) => Partial<Ports>;
// oxfmt-ignore
const moments: readonly (readonly [when: string, hook: Hooked])[] = [
  ["opened",  ({ requests }, stop) => ({ requests: { ...requests, pending: async () => { stop(); return await requests.pending(); } } })],
  ["judged",  ({ trust }, stop) => ({ trust: { ...trust, read: async () => { stop(); return await trust.read(); } } })],
  ["copied",  ({ space }, stop) => ({ space: { ...space, freeIfThere: async (path) => { stop(); return await space.freeIfThere(path); } } })],
];

test.each(moments)("is given up when it is to end before the bundle is %s", async (_, hook) => {
  const stopping = new AbortController();
  const call = callWith();
  await mkdir(join(folder, "state/bundles/left"), { recursive: true });
  const ports = { ...call.ports, ...hook(call.ports, () => stopping.abort()) };
  expect(await applyBundle({ ...call, ports }, stopping.signal)).toBe(STATUS.waits);
  expect(printed).toMatch(/(^|; copying\n)given up before .*; nothing has changed\n$/);
  expect([await filesIn("bundles"), await filesIn("requests")]).toEqual([[], []]);
});

test.each([{}, { "dry-run": true }])(
  "without room the device takes it at another moment, which is no refusal (%j)",
  async (options) => {
    const call = callWith({ preflight: { stateFreeBytes: 2 ** 52 } }, options);
    await mkdir(join(folder, "state"));
    expect(await applyBundle(call, never)).toBe(STATUS.waits);
    expect(printed).toMatch(
      /^the bundle has 0\.0 MiB, but .* is free for it in .*; free space there/,
    );
    expect(await filesIn("requests")).toEqual([]);
  },
);

test("while another is copied the device takes it at another moment", async () => {
  const call = callWith();
  await mkdir(join(folder, "state"));
  const other = await call.ports.bundles.open("other");
  expect(await applyBundle(call, never)).toBe(STATUS.waits);
  other.close();
  expect(printed).toContain("another bundle is being copied; wait for its end");
});
