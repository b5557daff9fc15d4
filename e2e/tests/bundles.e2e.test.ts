import { randomUUID } from "node:crypto";
import {
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";

import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CacheKey } from "../src/cache-key.ts";
import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { type ForgedBundle, seedIn } from "../src/forged-bundle.ts";
import { fingerprint } from "../src/narinfo.ts";
import { nameOf } from "../src/operator.ts";
import { poisonPath } from "../src/poison.ts";
import { Sticks } from "../src/sticks.ts";

/** Devices that reach neither the server nor a cache, and somebody with a stick. */

let fleet: Fleet;
let first: string;
let second: string;
let sticks: Sticks;
let stick: string;
let seed: Uint8Array;
let made = 0;

const DOWN = { on: /./, fault: { kind: "status", status: 503 } } as const;

beforeAll(async () => {
  fleet = await Fleet.open();
  first = await fleet.build({ gen: 1 });
  second = await fleet.build({ gen: 2 });
  await fleet.publish(first);
  await fleet.publish(second);
  seed = await seedIn(fleet.signingKeyFile);
  sticks = new Sticks(fleet);
  stick = await sticks.bundle("r2");
  await fleet.stopServer();
  for (const { cache } of [fleet.own, fleet.upstream]) cache.inject(DOWN);
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

const forged = async (): Promise<ForgedBundle> => await sticks.forge(stick);

async function fridge(config = {}): Promise<FleetDevice> {
  made += 1;
  return await fleet.device(`fridge-${made}`, first, config);
}

/** Bundles in the state directory. */
async function kept({ device }: FleetDevice): Promise<string[]> {
  return await readdir(device.hostPath("state/bundles")).catch(() => []);
}

async function ends({ name }: FleetDevice): Promise<string[]> {
  return (await fleet.operator.events(name)).flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED
      ? []
      : [`r${attempt.revision} ${nameOf(Outcome, attempt.outcome)}`],
  );
}

describe("a bundle", () => {
  test("updates a device where no agent runs, and is told to the server later", async () => {
    const device = await fridge();
    const looked = await device.command("apply", "--bundle", stick, "--dry-run");
    expect(looked, looked.stderr).toMatchObject({ code: 0 });
    expect(looked.stdout).toMatch(/^r2 of prod: \d+ paths, [\d.]+ MiB; the device takes it/);
    expect(await device.resting()).toEqual([first, first, first]);

    const { code, stdout, stderr } = await device.command("apply", "--bundle", stick);
    expect({ code, stdout }, stderr).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/r2 ended as applied: /),
    });
    expect(await device.resting()).toEqual([second, second, second]);
    expect(await kept(device)).toEqual([]);
    const again = await device.command("apply", "--bundle", stick);
    expect(again).toMatchObject({
      code: 0,
      stdout: "r2 of prod is committed; there is nothing to do\n",
    });

    await fleet.startServer();
    try {
      await device.once();
      expect(await ends(device)).toEqual(["r2 APPLIED"]);
      expect(await fleet.operator.device(device.name)).toMatchObject({ committedRevision: 2n });
    } finally {
      await fleet.stopServer();
    }
  });

  test("of a release that the server does not know is told to it, too", async () => {
    const device = await fridge();
    const later = await forged();
    await later.resign({ revision: 7n }, seed);
    const { code, stdout, stderr } = await device.command("apply", "--bundle", later.dir);
    expect(code, stdout + stderr).toBe(0);
    await fleet.startServer();
    try {
      await device.once();
      await device.once();
      expect(await device.resting()).toEqual([second, second, second]);
      expect(await ends(device)).toEqual(["r7 APPLIED"]);
      expect(await device.command("status")).toMatchObject({ code: 0 });
    } finally {
      await fleet.stopServer();
    }
  });

  test("is taken by an agent that runs, in place of a copy from caches that do not answer", async () => {
    const device = await fridge({
      settings: { fetch: { retryFirstMs: 60_000, retryMaxMs: 60_000 } },
    });
    await fleet.startServer();
    const agent = await device.startAgent();
    try {
      await eventually(
        "a copy that failed",
        async () =>
          (await device.command("why")).stdout.includes("is fetching") ? true : undefined,
        { timeoutMs: 60_000 },
      );
      const { code, stdout, stderr } = await device.command("apply", "--bundle", stick);
      expect(code, stdout + stderr).toBe(0);
      expect(await device.resting()).toEqual([second, second, second]);
      expect(agent.exit).toBeUndefined();
      await eventually("a device that is tidy", async () =>
        (await kept(device)).length === 0 ? true : undefined,
      );
      await device.stopAgent();
      await device.once();
      expect(await ends(device)).toEqual(["r2 SUPERSEDED", "r2 APPLIED"]);
    } finally {
      await device.stopAgent();
      await fleet.stopServer();
    }
  });

  test("is taken by an agent that runs, while the server is down", async () => {
    const device = await fridge();
    const agent = await device.startAgent();
    try {
      await eventually(
        "an agent that nobody answers",
        async () =>
          (await device.command("why")).stdout.includes("does not reach its server") || undefined,
        { timeoutMs: 60_000 },
      );
      const { code, stdout, stderr } = await device.command("apply", "--bundle", stick);
      expect({ code, stdout }, stderr).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/r2 ended as applied: /),
      });
      expect(await device.resting()).toEqual([second, second, second]);
      expect(agent.exit).toBeUndefined();
      await eventually("a device that is tidy", async () =>
        (await kept(device)).length === 0 ? true : undefined,
      );
    } finally {
      await device.stopAgent();
    }
  });

  test.each(["accepted", "fetching", "staged", "probation"])(
    "that was copied outlasts a death of the agent in %s, and the stick is not needed any more",
    async (state) => {
      const device = await fridge();
      const [id, left] = [randomUUID(), randomUUID()];
      // As a copy leaves it that ended, and one that did not.
      for (const name of [id, left])
        await cp(stick, device.device.hostPath(`state/bundles/${name}`), { recursive: true });
      await rm(device.device.hostPath(`state/bundles/${left}/manifest`));
      await mkdir(device.device.hostPath("state/requests"), { recursive: true });
      const request = JSON.stringify({ id, wish: { to: "apply" } });
      await writeFile(device.device.hostPath(`state/requests/${id}.ask`), request);
      const { signal, code } = await device.crash(state, "entered");
      expect(signal ?? code).toSatisfy((end: unknown) => end === "SIGKILL" || end === 137);
      await device.once();
      expect(await device.resting()).toEqual([second, second, second]);
      expect(await kept(device)).toEqual([]);
    },
  );

  test("that is cut off while it is copied changes nothing, and leaves nothing for long", async () => {
    const device = await fridge();
    const copying = await device.device.spawn([
      ...[
        "sh",
        "-c",
        `mkdir -p "$1/bundles/half/cache/nar"; exec flock --no-fork "$1/bundles.lock" sleep 60`,
      ],
      ...["sh", device.device.stateDir],
    ]);
    await eventually("a copy under way", async () =>
      (await kept(device)).length === 1 ? true : undefined,
    );
    await eventually("its lock", async () => {
      const { code, stdout } = await device.command("apply", "--bundle", stick);
      return code === 5 && stdout.includes("another bundle is being copied") ? true : undefined;
    });
    await device.once();
    expect(await kept(device)).toEqual(["half"]);
    await copying.stop();
    await device.once();
    expect(await kept(device)).toEqual([]);
    expect(await device.resting()).toEqual([first, first, first]);
  });
});

type Row = readonly [
  what: string,
  code: number,
  says: RegExp,
  attack: (forged: ForgedBundle) => Promise<void>,
];

const stranger = () => new Uint8Array(32).fill(9);
const flip = async (file: string) => {
  const bytes = await readFile(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  await rm(file);
  await writeFile(file, bytes);
};

// oxfmt-ignore
const attacks: readonly Row[] = [
  ["a manifest of a stranger's key",       3, /refused as BAD_SIGNATURE: .*; /,      async (it) => await it.resign({}, stranger())],
  ["one of another channel",               3, /refused as WRONG_CHANNEL: .*; /,      async (it) => await it.resign({ channel: "beta" }, seed)],
  ["one of another target",                3, /refused as WRONG_TARGET: .*; /,       async (it) => await it.resign({ target: "till" }, seed)],
  ["one that has expired",                 3, /refused as EXPIRED: .*; /,            async (it) => await it.resign({ issuedAtS: 1_000n, notAfterS: 2_000n }, seed)],
  ["a manifest without end",               3, /manifest in the bundle has 1048576 bytes, over/, async (it) => await truncate(it.file("manifest"), 1024 ** 2)],
  ["no manifest",                          3, /lacks manifest; copy the bundle/,     async (it) => await rm(it.file("manifest"))],
  ["a manifest that is a link",            3, /manifest in the bundle is no plain file/, async (it) => await linked(it.file("manifest"))],
  ["a cache that is a link",               3, /has no folder cache;/,                async (it) => await linked(it.file("cache"))],
  ["a narinfo that is a link",             3, /narinfo in the bundle is no plain file/, async (it) => await linked(it.narinfo())],
  ["a NAR that is a link",                 3, /nar\.zst in the bundle is no plain file/, async (it) => await linked(await it.nar())],
  ["a pipe for a narinfo",                 3, /narinfo in the bundle is no plain file/, async (it) => await piped(it.narinfo())],
  ["a narinfo without end",                3, /over the 65536 that it may have/,     async (it) => await truncate(it.narinfo(), 1024 ** 3)],
  ["a narinfo that leads out of it",       3, /narinfo in the bundle leads out of it/, async (it) => await it.editNarinfo((text) => text.replace(/URL: .*/, "URL: ../../../../../etc/passwd"))],
  ["one that leads out of it for nix",     3, /narinfo in the bundle leads out of it/, async (it) => await it.editNarinfo((text) => `${text}URL:_../../dev/zero\n`)],
  ["a path that nobody signed",            3, /carries no signature; .*--cache-key/,  async (it) => await it.editNarinfo((text) => text.replaceAll(/Sig: .*\n/g, ""))],
  ["a path that a stranger signed",        4, /r2 ended as failed: .*sign.*--cache-key/, async (it) => await signedByStranger(it)],
  ["no narinfo of a path",                 3, /lacks \/nix\/store\/.*; copy the bundle/, async (it) => await rm(it.narinfo())],
  ["no NAR of a path",                     3, /lacks cache\/nar\/.*, the contents of \/nix\/store/, async (it) => await rm(await it.nar())],
  ["a NAR that is cut",                    3, /was not copied to its end; copy the bundle/, async (it) => await truncate(await it.nar(), 10)],
  ["a NAR that is cut, and says so",       4, /r2 ended as failed: .*; copy the bundle once more/, async (it) => await cutAndSaid(it)],
  ["a NAR with other bytes",               4, /r2 ended as failed: .*; copy the bundle once more/, async (it) => await flip(await it.nar())],
  ["a NAR larger than the manifest allows", 3, /the bundle has \d{5,}.* MiB, but .* is the most that its manifest announces/, async (it) => await huge(it)],
  ["another listing",                      3, /listing in the bundle is not the one/, async (it) => await flip(it.file("listing"))],
  ["a path of a stolen cache key",         3, /is not what was signed for/,          async (it) => await poisoned(it)],
];

describe("a bundle with", () => {
  let device: FleetDevice;

  beforeAll(async () => {
    // A time that has certainly passed: nothing else keeps the clock of a device without a network right.
    device = await fridge({ settings: { clock: { builtAtS: 1_000_000 } } });
  });

  test.each(attacks)("%s changes nothing (%i)", async (_, code, says, attack) => {
    const it = await forged();
    await attack(it);
    const answer = await device.command("apply", "--bundle", it.dir);
    expect(answer, answer.stderr).toMatchObject({ code, stdout: expect.stringMatching(says) });
    expect(await device.resting()).toEqual([first, first, first]);
    expect(await kept(device)).toEqual([]);
    // What nix leaves of a path that it could not unpack to its end counts for nothing.
    const valid = await device.device.exec(["nix-store", "--check-validity", second]);
    expect(valid).toMatchObject({ code: 1 });
  });

  test("nothing wrong is taken after all of that", async () => {
    expect(await device.command("apply", "--bundle", stick)).toMatchObject({ code: 0 });
    expect(await device.resting()).toEqual([second, second, second]);
    const old = await forged();
    await old.resign({ revision: 1n }, seed);
    expect(await device.command("apply", "--bundle", old.dir)).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/refused as REPLAY: .*; /),
    });
  });

  test("no folder at all is named for what it is", async () => {
    for (const [path, says] of [
      ["/nowhere", /^\/nowhere is not there; name a folder/],
      [join(stick, "manifest"), /manifest has no folder cache; name a folder/],
    ] as const)
      expect(await device.command("apply", "--bundle", path)).toMatchObject({
        code: 3,
        stdout: expect.stringMatching(says),
      });
    expect(await device.command("apply")).toMatchObject({ code: 2 });
  });
});

async function linked(path: string): Promise<void> {
  await rename(path, `${path}.aside`);
  await symlink(`${path}.aside`, path);
}

async function piped(path: string): Promise<void> {
  await rm(path);
  await fleet.workshop.builder.run(["mkfifo", path]);
}

async function signedByStranger(it: ForgedBundle): Promise<void> {
  const key = await CacheKey.create("stranger-1", it.file("stranger.key"));
  const info = await it.readNarinfo();
  await it.editNarinfo((text) => text.replace(/Sig: .*/, `Sig: ${key.sign(fingerprint(info))}`));
}

async function fileSize(it: ForgedBundle, bytes: number): Promise<void> {
  await it.editNarinfo((text) => text.replace(/FileSize: \d+/, `FileSize: ${bytes}`));
}

async function cutAndSaid(it: ForgedBundle): Promise<void> {
  await truncate(await it.nar(), 10);
  await fileSize(it, 10);
}

/** Sparse: it takes no room here. */
async function huge(it: ForgedBundle): Promise<void> {
  const bytes = 8 * 1024 ** 4;
  await truncate(await it.nar(), bytes);
  await fileSize(it, bytes);
}

async function poisoned(it: ForgedBundle): Promise<void> {
  const outDir = it.file("poison");
  const { builder, cacheDir, key } = fleet.workshop;
  const storePath = (await builder.closure(second)).find((path) => path.endsWith("-etc")) ?? "";
  await poisonPath({ builder, cacheDir, key, storePath, file: "etc/hostname", outDir });
  await cp(outDir, it.file("cache"), { recursive: true });
}
