import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, it } from "vitest";

import { createOutput } from "../output.ts";
import { recordingHost } from "../recording-host.testkit.ts";
import { storePathOf } from "../store-paths.testkit.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";
import { parseDeploySpec, readDeploySpec } from "./deploy-spec.ts";
import { buildFlake } from "./flake.ts";
import { parseTargets, readTargetsFile } from "./targets-file.ts";

const PATH = storePathOf("nixos-system-till-1");
const signal = new AbortController().signal;

function quiet() {
  const host = recordingHost();
  return { host, output: createOutput(host, { json: false, quiet: false }) };
}

it("reads targets line by line, with comments and devices that have none", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "targets");
  await writeFile(file, `# tills\nfront  ${PATH}\r\n\n\t back ./result\n- ${PATH}`);
  expect(await readTargetsFile(file)).toEqual([
    { target: "front", path: PATH },
    { target: "back", path: "./result" },
    { target: "", path: PATH },
  ]);
});

it.each([
  ["a line without a path", "front", "line 1 of f is not a target and a path"],
  ["a path with blanks", `a b\nfront ${PATH} x`, "line 2 of f is not a target and a path"],
  ["a target twice", `front a\nfront b`, "f names front twice"],
  ["devices without target twice", `- a\n- b`, "f names - twice"],
  ["what cannot name a target", "Front a", "Front"],
  ["nothing", "# none\n", "f names no system"],
  [
    "more targets than a release holds",
    Array.from({ length: 257 }, (_, index) => `t${index} x`).join("\n"),
    "f names 257 systems, and a release holds 256",
  ],
])("refuses %s", (_, text, message) => {
  expect(() => parseTargets(text, "f")).toThrow(
    expect.objectContaining({ kind: "usage", message: expect.stringContaining(message) }),
  );
});

it("reads a file of targets no further than its limit", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "targets");
  await writeFile(file, "#".repeat(1024 * 1024 + 1));
  await expect(readTargetsFile(file)).rejects.toThrow(/is over 1048576 bytes; check --targets/u);
  await expect(readTargetsFile(join(folder.path, "absent"))).rejects.toThrow(/cannot be opened/u);
});

it("takes a Cachix Deploy specification as it is, and says what is left out", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "spec.json");
  await writeFile(
    file,
    JSON.stringify({ agents: { front: PATH }, rollbackScript: { "x86_64-linux": PATH } }),
  );
  const { host, output } = quiet();
  expect(await readDeploySpec(file, output)).toEqual([{ target: "front", path: PATH }]);
  expect(host.err()).toMatch(/^the rollbackScript of .* is left out/u);
});

it.each(["{", "[]", "{}", '{"agents":[]}', '{"agents":{}}', '{"agents":{"a":1}}', "null"])(
  "refuses %s as a deploy specification",
  (text) => {
    const { output } = quiet();
    expect(() => parseDeploySpec(text, "spec.json", output)).toThrow(
      expect.objectContaining({ kind: "usage" }),
    );
  },
);

/** What nix says of a flake with these configurations, and what it was asked. */
function flakeOf(names: readonly string[]) {
  const asked: string[] = [];
  return {
    asked,
    eval: async (installable: string, apply: string) => {
      asked.push(`${installable} ${apply}`);
      return JSON.stringify(names);
    },
    build: async (installable: string) => {
      asked.push(installable);
      const name = /"(.*)"/u.exec(installable)?.[1] ?? "";
      const out = storePathOf(`nixos-system-${name}`);
      return JSON.stringify([{ drvPath: `${out}.drv`, outputs: { out }, startTime: 0 }]);
    },
  };
}

it("builds every configuration of a flake, one after the other", async () => {
  const nix = flakeOf(["back", "front"]);
  const { host, output } = quiet();
  expect(await buildFlake({ reference: ".", hosts: [] }, output, signal, nix)).toEqual([
    { target: "back", path: storePathOf("nixos-system-back") },
    { target: "front", path: storePathOf("nixos-system-front") },
  ]);
  expect(host.err()).toContain(`front: ${storePathOf("nixos-system-front")}\n`);
  expect(nix.asked).toEqual([
    ".#nixosConfigurations builtins.attrNames",
    '.#nixosConfigurations."back".config.system.build.toplevel',
    '.#nixosConfigurations."front".config.system.build.toplevel',
  ]);
});

it.each([
  [{ reference: ".", hosts: ["b"] }, ["b"]],
  [{ reference: "github:o/r#a", hosts: [] }, ["a"]],
  [{ reference: ".#a", hosts: ["a", "b"] }, ["a", "b"]],
  [{ reference: ".#", hosts: [] }, ["Upper", "a", "b"].slice(1)],
])("of a flake %j builds the chosen hosts", async (wishes, expected) => {
  const { output } = quiet();
  const wanted = await buildFlake(wishes, output, signal, flakeOf(["a", "b"]));
  expect(wanted.map(({ target }) => target)).toEqual(expected);
});

it("refuses hosts that a flake does not have, and names that no target can have", async () => {
  const { output } = quiet();
  const build = async (hosts: string[], names: string[]) =>
    buildFlake({ reference: ".", hosts }, output, signal, flakeOf(names));
  await expect(build(["c"], ["a", "b"])).rejects.toThrow(
    ". has no nixosConfigurations named c; it has: a, b",
  );
  await expect(build([], ['a".x', "b"])).rejects.toThrow(/cannot name a target/u);
  await expect(build([], [])).rejects.toThrow(". names no system");
  expect(await build(["b"], ["Upper", "b"])).toHaveLength(1);
});
