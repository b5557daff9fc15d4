import { createHash } from "node:crypto";
import { cp } from "node:fs/promises";

import { fileCache } from "@nix-ota/cli/file-cache";
import { pathInfoArgs } from "@nix-ota/cli/nix";
import { nixCache } from "@nix-ota/cli/nix-cache";
import type { Narinfo } from "@nix-ota/proto/narinfo";
import { storePathHash } from "@nix-ota/proto/store-path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Fleet } from "../src/fleet.ts";
import { HOST_SYSTEM } from "../src/host-system.ts";
import { poisonPath } from "../src/poison.ts";

/** What the operator's program makes of real closures and real caches. */
describe("publishing from a builder", () => {
  let fleet: Fleet;
  let first: string;
  let second: string;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    fleet = await Fleet.open();
    first = await fleet.build({ gen: 1 });
    second = await fleet.build({ gen: 2 });
  });

  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  /** The listing's digest from nix's older commands, which share no code with `nix path-info`. */
  async function digestOf(storePath: string): Promise<string> {
    const { builder } = fleet.workshop;
    const paths = (await builder.closure(storePath)).toSorted();
    const lines: string[] = [];
    for (const path of paths) {
      const hash = await builder.run(["nix-store", "--query", "--hash", path]);
      const hex = await builder.run([
        "nix-hash",
        "--to-base16",
        "--type",
        "sha256",
        hash.replace("sha256:", ""),
      ]);
      lines.push(`${path}\0sha256:${hex}\n`);
    }
    return createHash("sha256").update(lines.join("")).digest("hex");
  }

  test("a dry run tells size, digest and paths, and publishes nothing", async () => {
    const document = await fleet.cliJson(...fleet.publishArgv(first, "--dry-run"));
    expect(document).toMatchObject({
      outcome: "dry-run",
      revision: 1,
      closureDigest: await digestOf(first),
      pathCount: (await fleet.workshop.builder.closure(first)).length,
    });
    await expect(fleet.operator.publish.getRelease({ channel: "prod" })).rejects.toThrow(
      /not_found/,
    );
  });

  test("what a release changes is what nix says differs", async () => {
    await fleet.publish(first);
    const before = new Set(await fleet.workshop.builder.closure(first));
    const added = (await fleet.workshop.builder.closure(second)).filter(
      (path) => !before.has(path),
    );
    const infos = await fileCache(`file://${fleet.own.cache.dir}`).lookup(added, signal);
    const downloadBytes = [...infos.values()].reduce((sum, { fileSize }) => sum + fileSize, 0);
    expect(await fleet.cliJson(...fleet.publishArgv(second))).toMatchObject({
      outcome: "published",
      revision: 2,
      changes: {
        beforeRevision: 1,
        addedPaths: added.length,
        removedPaths: added.length,
        downloadBytes,
        rebootRequired: false,
      },
    });
  });

  test("a stolen cache key: other contents under the same path are found before anything is signed", async () => {
    const { builder, folder, key } = fleet.workshop;
    const poisoned = folder.join("poisoned");
    await cp(fleet.own.cache.dir, poisoned, { recursive: true });
    const victim = (await builder.closure(second)).find((path) => path.includes("package9-"));
    if (victim === undefined) throw new Error("the closure has no package9");
    await poisonPath({
      builder,
      cacheDir: fleet.own.cache.dir,
      key,
      storePath: victim,
      file: "share/package9/data",
      outDir: poisoned,
    });
    const argv = fleet.publishArgv(second, "--revision", "3");
    argv[argv.indexOf("--substituter") + 1] = `file://${poisoned}`;
    const refused = await fleet.cli(...argv);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain(`holds another build of 1 of `);
    expect(refused.stderr).toContain(victim);
  });

  test("from the caches alone the closure is the same, and not pinned", async () => {
    const local = (await fleet.cliJson(...fleet.publishArgv(first, "--dry-run"))) as {
      closureBytes: number;
      pathCount: number;
    };
    const trusting = ["--trust-cache", "--system", HOST_SYSTEM];
    const argv = fleet.publishArgv(first, "--dry-run", ...trusting);
    expect(await fleet.cliJson(...argv)).toMatchObject({
      closureBytes: local.closureBytes,
      pathCount: local.pathCount,
      closureDigest: "",
    });
  });

  test("what is no NixOS system is not published", async () => {
    const { builder } = fleet.workshop;
    const paths = await builder.closure(first);
    const linux = paths.find((path) => /-linux-6/u.test(path));
    const refused = await fleet.cli(...fleet.publishArgv(linux ?? ""));
    expect(refused.stderr).toMatch(/is no NixOS system: it lacks bin\/switch-to-configuration/);
    expect(refused.code).toBe(1);
  });

  test("nix tells of a cache what its narinfo files say", async () => {
    const { builder } = fleet.workshop;
    const url = `file://${fleet.own.cache.dir}`;
    const paths = await builder.closure(first);
    const absent = first.replace(storePathHash(first) ?? "", "0".repeat(32));
    const asked = [...paths, absent];
    const throughNix = nixCache(url, async (question) =>
      builder.run(["nix", ...pathInfoArgs(question)]),
    );
    const [read, told] = await Promise.all(
      [fileCache(url), throughNix].map((cache) => cache.lookup(asked, signal)),
    );
    const facts = (found: ReadonlyMap<string, Narinfo> | undefined) =>
      Object.fromEntries(
        [...(found ?? [])].map(([path, { references, narHash, narSize, fileSize, signed }]) => [
          path,
          { references: references.toSorted(), narHash, narSize, fileSize, signed },
        ]),
      );
    expect(told?.size).toBe(paths.length);
    expect(facts(told)).toEqual(facts(read));
  });
});
