import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CacheKey } from "../src/cache-key.ts";
import { Fleet } from "../src/fleet.ts";
import { ForgedBundle, seedIn } from "../src/forged-bundle.ts";
import { Sticks } from "../src/sticks.ts";

let fleet: Fleet;
let sticks: Sticks;
let first: string;
let second: string;
let stick: string;
let seed: Uint8Array;

beforeAll(async () => {
  fleet = await Fleet.open();
  first = await fleet.build({ gen: 1 });
  second = await fleet.build({ gen: 2 });
  await fleet.publish(first);
  await fleet.publish(second);
  seed = await seedIn(fleet.signingKeyFile);
  sticks = new Sticks(fleet);
  stick = await sticks.bundle("r2");
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

describe("nix-ota bundle", () => {
  test("makes a folder with the manifest, the listing and a cache that is whole", async () => {
    expect((await readdir(stick)).toSorted()).toEqual(["cache", "listing", "manifest"]);
    const cache = await readdir(join(stick, "cache"));
    const closure = await fleet.workshop.builder.closure(second);
    expect(cache.filter((name) => name.endsWith(".narinfo"))).toHaveLength(closure.length);
    expect(cache.filter((name) => !name.endsWith(".narinfo"))).toEqual(["nar", "nix-cache-info"]);
  });

  test("takes a closure from a cache, signs it, and says where it is", async () => {
    const key = await CacheKey.create("stick-1", fleet.workshop.folder.join("stick.key"));
    const argv = ["--revision", "1", "--from", fleet.own.cache.url, "--cache-key", key.file];
    const unasked = await fleet.cli(...sticks.argv("r1", ...argv));
    expect(unasked).toMatchObject({ code: 2 });
    expect(unasked.stderr).toContain("give the --public-key that has to have signed it");
    const trusted = [...argv, "--public-key", fleet.publicKey];
    const printed = await fleet.cliJson(...sticks.argv("r1", ...trusted));
    expect(printed).toMatchObject({ channel: "prod", target: "", revision: 1, storePath: first });
    const narinfo = await (
      await ForgedBundle.of(sticks.place("r1"), sticks.place("r1-copy"))
    ).readNarinfo();
    const signers = narinfo.signatures.map((signature) => signature.split(":")[0]);
    expect(new Set(signers)).toEqual(new Set(["cache.example-1", "stick-1"]));
  });

  test("signs no paths for a manifest that a stranger signed", async () => {
    const key = await CacheKey.create("stick-2", fleet.workshop.folder.join("stick-2.key"));
    const it = await sticks.forge(stick);
    await it.resign({ storePath: first }, new Uint8Array(32).fill(7));
    const argv = ["--cache-key", key.file, "--public-key", fleet.publicKey];
    const answer = await fleet.cli(
      "bundle",
      it.file("manifest"),
      "--out",
      sticks.place("no"),
      ...argv,
    );
    expect(answer.code).not.toBe(0);
    expect(answer.stderr).toContain("BAD_SIGNATURE");
  });

  test("gives nix nothing to evaluate, whatever a manifest names", async () => {
    const it = await sticks.forge(stick);
    await it.resign({ storePath: "path:/tmp/flake#x" }, seed);
    const answer = await fleet.cli("bundle", it.file("manifest"), "--out", sticks.place("flake"));
    expect(answer.stderr).toContain('names "path:/tmp/flake#x", which is no path of a store');
  });

  test("writes to a stick whose name has a space", async () => {
    const argv = sticks.argv("my stick/r1", "--from", fleet.own.cache.url, "--revision", "1");
    const out = sticks.place("my stick/r1");
    expect(await fleet.cliJson(...argv)).toMatchObject({ out, storePath: first });
  });

  test("never overwrites, and leaves nothing of what it could not finish", async () => {
    const before = (await readdir(fleet.workshop.folder.join("."))).length;
    const taken = await fleet.cli(...sticks.argv("r2"));
    expect(taken.stderr).toContain("exists and is never overwritten; give another --out");
    const absent = await fleet.cli(...sticks.argv("r9", "--from", fleet.upstream.cache.url));
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain("nix copy failed: ");
    expect((await readdir(fleet.workshop.folder.join("."))).length).toBe(before);
  });

  test("refuses a closure that nobody signed", async () => {
    const { builder } = fleet.workshop;
    const unsigned = await builder.buildSystem({ gen: 3, agentJson: fleet.agentJson() });
    const it = await sticks.forge(stick);
    await it.resign({ storePath: unsigned, closureDigest: new Uint8Array() }, seed);
    const argv = ["bundle", it.file("manifest"), "--out", sticks.place("unsigned")];
    const answer = await fleet.cli(...argv);
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(
      /carry no signature, and devices take none without; give --cache-key/,
    );
    const other = await sticks.forge(stick);
    await other.resign({ storePath: first }, seed);
    const mixed = await fleet.cli("bundle", other.file("manifest"), "--out", sticks.place("mixed"));
    expect(mixed.stderr).toContain("is not the one that was signed for");
    const gone = await sticks.forge(stick);
    await gone.resign({ storePath: `/nix/store/${"0".repeat(32)}-nothing` }, seed);
    const none = await fleet.cli("bundle", gone.file("manifest"), "--out", sticks.place("none"));
    expect(none.stderr).toMatch(/nix copy failed: .*; build it here, or give --from/);
  });
});
