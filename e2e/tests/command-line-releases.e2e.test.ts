import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Fleet } from "../src/fleet.ts";
import { HOST_SYSTEM } from "../src/host-system.ts";
import { entryFile } from "../src/processes.ts";
import { expectSuccess } from "../src/run-command.ts";

/** Releases of several targets, by several signers, from several machines, on a real server. */
describe("publishing in parts", () => {
  let fleet: Fleet;
  let systems: string[];

  beforeAll(async () => {
    fleet = await Fleet.open();
    systems = [];
    for (const gen of [1, 2, 3]) systems.push(await fleet.build({ gen, packages: 12, changed: 3 }));
  });

  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  /** Arguments of a command that reads systems, without what it reads. */
  const common = (channel: string): string[] => [
    ...["--server", fleet.server.url, "--token-file", fleet.tokenFile],
    ...["--channel", channel, "--substituter", fleet.own.cache.url],
  ];

  const publishArgv = (channel: string, ...more: string[]): string[] => [
    "publish",
    ...common(channel),
    ...["--key", fleet.signingKeyFile],
    ...more,
  ];

  async function newKey(name: string): Promise<{ file: string; publicKey: string }> {
    const file = fleet.workshop.folder.join(`${name}.key`);
    const { publicKey } = (await fleet.cliJson("keygen", "--out", file)) as { publicKey: string };
    return { file, publicKey };
  }

  test("a release is prepared, signed by two keys on machines without network, and published", async () => {
    const { folder, builder } = fleet.workshop;
    const other = await newKey("other");
    const keys = ["--public-key", fleet.publicKey, "--public-key", other.publicKey];
    const file = folder.join("release.json");
    const prepare = ["prepare", ...common("offline"), "--store-path", systems[0] ?? ""];
    await fleet.cliJson(...prepare, ...keys, "--threshold", "2", "--out", file);

    const withoutNetwork = async (...argv: string[]): Promise<string> => {
      const all = ["unshare", "--net", process.execPath, entryFile("cli"), ...argv];
      return expectSuccess(all, await builder.exec(all));
    };
    const [a, b] = [folder.join("a.json"), folder.join("b.json")];
    await withoutNetwork("sign", file, "--key", fleet.signingKeyFile, "--out", a, "--yes");
    await withoutNetwork("sign", file, "--key", other.file, "--out", b, "--yes");

    const from = async (...files: string[]) =>
      fleet.cli(
        "publish",
        ...["--server", fleet.server.url, "--token-file", fleet.tokenFile],
        ...files.flatMap((one) => ["--from", one]),
        ...[...keys, "--threshold", "2", "--json"],
      );
    const half = await from(a);
    expect(half).toMatchObject({ code: 1, stdout: "" });
    expect(half.stderr).toContain("1 of the pinned keys signed the manifest, 2 have to");
    const whole = await from(a, b);
    expect(JSON.parse(whole.stdout)).toMatchObject({ outcome: "published", channelCreated: true });
    const prepared = JSON.parse(await readFile(file, "utf8")) as {
      manifests: { payload: string }[];
    };
    const { release } = await fleet.operator.publish.getRelease({ channel: "offline" });
    const envelope = Buffer.from(release?.manifests[0]?.envelope ?? []);
    expect(envelope.includes(Buffer.from(prepared.manifests[0]?.payload ?? "", "base64"))).toBe(
      true,
    );
    expect(release?.manifests[0]?.keyIds).toHaveLength(2);

    // The signer of the next one sees what changes, from the file alone.
    const next = folder.join("next.json");
    const prepareNext = ["prepare", ...common("offline"), "--store-path", systems[1] ?? ""];
    await fleet.cliJson(...prepareNext, ...keys, "--threshold", "2", "--out", next);
    const argv = ["sign", next, "--key", fleet.signingKeyFile, "--public-key", other.publicKey];
    const shown = await fleet.cli(...argv, "--threshold", "2", "--yes");
    expect(shown.stderr).toMatch(/^offline r1 → r2 nixos-system-device-24\.05\.2$/mu);
    expect(shown.stderr).toMatch(/package0 1\.1 → 1\.2/u);
    expect(await fleet.cli("verify", next, "--public-key", fleet.publicKey)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("signed by"),
    });
    expect(await fleet.cli("inspect", next)).toMatchObject({ code: 0 });
  });

  test("a program signs in place of a key file", async () => {
    const { folder } = fleet.workshop;
    const program = folder.join("token.mjs");
    // What a hardware token would do, with node's own signatures.
    await writeFile(
      program,
      `import { createPrivateKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
const seed = Buffer.from(readFileSync(process.argv[2], "utf8").trim().split(":").at(-1), "base64");
const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
process.stdout.write(sign(null, readFileSync(0), key).toString("base64") + "\\n");
`,
    );
    const command = [process.execPath, program, fleet.signingKeyFile];
    const argv = [
      "publish",
      ...common("token"),
      ...["--store-path", systems[0] ?? ""],
      ...["--key-command", command.join(" "), "--key-command-key", fleet.publicKey],
    ];
    expect(await fleet.cliJson(...argv)).toMatchObject({ outcome: "published", revision: 1 });
  });

  test("a file names the systems of targets; those that stay are left out of the next release", async () => {
    const { folder } = fleet.workshop;
    const file = folder.join("targets");
    const lines = (front: number): string =>
      `# the shop\nfront ${systems[front]}\nback  ${systems[0]}\n-     ${systems[0]}\n`;
    await writeFile(file, lines(0));
    expect(await fleet.cliJson(...publishArgv("shop", "--targets", file))).toMatchObject({
      revision: 1,
      manifests: [{ target: "front" }, { target: "back" }, { target: "" }],
    });
    await writeFile(file, lines(1));
    expect(await fleet.cliJson(...publishArgv("shop", "--targets", file))).toMatchObject({
      revision: 2,
      manifests: [{ target: "front", storePath: systems[1] }],
      unchanged: [
        { target: "back", revision: 1 },
        { target: "", revision: 1 },
      ],
    });
    const { result } = await fleet.operator.channels.getCurrent({
      channel: "shop",
      target: "back",
    });
    expect(result.case).toBe("envelope");
    expect(await fleet.cli(...publishArgv("shop", "--targets", file))).toMatchObject({
      code: 0,
      stdout: "already published as r1, r2 on shop\n",
    });
  });

  test("256 targets are one release", async () => {
    const { folder } = fleet.workshop;
    const file = folder.join("many");
    const names = Array.from({ length: 256 }, (_, index) => `till-${index}`);
    await writeFile(file, names.map((name) => `${name} ${systems[0]}`).join("\n"));
    const { manifests } = (await fleet.cliJson(...publishArgv("many", "--targets", file))) as {
      manifests: unknown[];
    };
    expect(manifests).toHaveLength(256);
    const { release } = await fleet.operator.publish.getRelease({ channel: "many" });
    expect(release?.manifests).toHaveLength(256);
  });

  test("a Cachix Deploy specification is taken as it is", async () => {
    const file = fleet.workshop.folder.join("spec.json");
    const agents = { front: systems[0], back: systems[1] };
    await writeFile(file, JSON.stringify({ agents, rollbackScript: { [HOST_SYSTEM]: "/x" } }));
    const published = await fleet.cli(...publishArgv("spec", "--deploy-json", file));
    expect(published.stdout).toBe(
      "published r1 on spec; the channel is made and your keys are pinned\n",
    );
    expect(published.stderr).toContain("the rollbackScript of ");
    const { release } = await fleet.operator.publish.getRelease({ channel: "spec" });
    expect(release?.manifests.map(({ target, storePath }) => [target, storePath])).toEqual([
      ["back", systems[1]],
      ["front", systems[0]],
    ]);
  });

  test("every nixosConfiguration of a flake is built, and is the target of its name", async () => {
    const { folder, builder, key, cacheDir } = fleet.workshop;
    const dir = folder.join("flake");
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "flake.nix"), STUB_FLAKE);
    const flake = `path:${dir}`;
    const build = publishArgv("flake", "--flake", flake);
    // What is not in the cache yet is not published; the sentence says what to copy.
    const lacking = await fleet.cli(...build);
    expect(lacking, lacking.stderr).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("nix copy --to") as string,
    });
    const [, storePaths = ""] = /nix copy --to \S+ (.*)$/mu.exec(lacking.stderr) ?? [];
    expect(storePaths.split(" ")).toHaveLength(2);
    await builder.publishToCache(storePaths.split(" "), cacheDir, key);
    expect(await fleet.cliJson(...build)).toMatchObject({
      revision: 1,
      manifests: [{ target: "kiosk" }, { target: "till" }],
    });
    const one = publishArgv("flake-till", "--flake", flake, "--host", "till");
    expect(await fleet.cliJson(...one)).toMatchObject({ manifests: [{ target: "till" }] });
    const absent = await fleet.cli(...publishArgv("flake", "--flake", `${flake}#fridge`));
    expect(absent).toMatchObject({ code: 2 });
    expect(absent.stderr).toMatch(/has no nixosConfigurations named fridge; it has: kiosk, till/u);
  });

  test("publishing what is head already with one more key adds its signature", async () => {
    const other = await newKey("second");
    const keys = ["--public-key", fleet.publicKey, "--public-key", other.publicKey];
    const first = publishArgv(
      "rotation",
      "--store-path",
      systems[0] ?? "",
      "--public-key",
      other.publicKey,
    );
    await fleet.cliJson(...first);
    const again = ["publish", ...common("rotation"), "--store-path", systems[0] ?? ""];
    expect(await fleet.cli(...again, "--key", other.file, ...keys)).toMatchObject({
      code: 0,
      stdout: "already published as r1 on rotation; 1 manifest signed once more\n",
    });
    const { release } = await fleet.operator.publish.getRelease({ channel: "rotation" });
    expect(release).toMatchObject({ revision: 1n });
    expect(release?.manifests[0]?.keyIds).toHaveLength(2);
  });

  test("publishers that race all publish, each after the other's release", async () => {
    const racing = (system: number): string[] =>
      publishArgv("race", "--store-path", systems[system] ?? "", "--json");
    await fleet.cliJson(...racing(0));
    const results = await Promise.all([fleet.cli(...racing(1)), fleet.cli(...racing(2))]);
    const revisions = results.map(
      ({ stdout }) => (JSON.parse(stdout) as { revision: number }).revision,
    );
    expect(revisions.toSorted((a, b) => a - b)).toEqual([2, 3]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
  });
});

/** Two systems as raw derivations: what a flake of NixOS machines gives, without nixpkgs. */
const STUB_FLAKE = `{
  outputs = _: {
    nixosConfigurations = builtins.mapAttrs (name: _: {
      config.system.build.toplevel = derivation {
        name = "nixos-system-\${name}-24.05";
        system = "${HOST_SYSTEM}";
        builder = "/bin/sh";
        PATH = "/usr/bin:/bin";
        args = [ "-euc" "mkdir -p $out/bin; printf '#!/bin/sh\\n' > $out/bin/switch-to-configuration; chmod +x $out/bin/switch-to-configuration; printf %s ${HOST_SYSTEM} > $out/system" ];
      };
    }) { till = null; kiosk = null; };
  };
}
`;
