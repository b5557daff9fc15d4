import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { machineHost } from "./machine-host.ts";

const signal = new AbortController().signal;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-host-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const nix = async (last: string) => {
  const script = `#!/bin/sh\necho >> ${dir}/calls\n${last}\n`;
  await writeFile(join(dir, "nix"), script, { mode: 0o755 });
};

test("nix is asked for its version once, and again as long as it does not say", async () => {
  const host = machineHost({ PATH: `${dir}:${process.env["PATH"] ?? ""}` });
  await nix("echo nix 9; exit 1");
  expect((await host.describe(signal)).nixVersion).toBe("");
  await nix('echo "nix (Nix) 2.8.0"');
  for (let times = 0; times < 3; times += 1)
    expect((await host.describe(signal)).nixVersion).toBe("2.8.0");
  expect(await readFile(join(dir, "calls"), "utf8")).toBe("\n\n");
});
