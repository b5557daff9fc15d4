import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { agentIn, keepsItsPromises } from "./contract.testkit.ts";

describe("beside the agent, as processes", () => {
  keepsItsPromises(async () => {
    const dir = await mkdtemp(join(tmpdir(), "nix-ota-beside-"));
    return {
      supervisor: "processes",
      dir,
      environment: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      async killWrapper(name) {
        const session = Number(await readFile(join(dir, `result/${name}.started`), "utf8"));
        try {
          process.kill(session, "SIGKILL");
        } catch {
          // It ended by itself.
        }
      },
      [Symbol.asyncDispose]: async () => await rm(dir, { recursive: true }),
    };
  });
});

type Limits = { readonly limitMs: number; readonly beginMs: number };

describe("a local tool that hangs around the switch", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "nix-ota-hanging-"));
  });
  afterEach(async () => await rm(dir, { recursive: true }));

  const never = new AbortController().signal;
  const script = async (path: string, text: string) => {
    const file = join(dir, path);
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, `#!/bin/sh\n${text}\n`);
    await chmod(file, 0o755);
  };

  /** How a run ends in which this tool hangs as soon as the condition holds. */
  async function run(tool: string, condition: string, limits: Limits) {
    const usual = process.env["PATH"] ?? "/usr/bin:/bin";
    await script("system/bin/switch-to-configuration", `echo x >> ${dir}/runs`);
    const real = `PATH=${usual} exec ${tool} "$@"`;
    await script(`shadow/${tool}`, `if ${condition}; then exec sleep 7300; fi\n${real}`);
    const { activation } = agentIn(
      {
        supervisor: "processes",
        dir,
        environment: { PATH: `${join(dir, "shadow")}:${usual}` },
        killWrapper: async () => await Promise.resolve(),
        [Symbol.asyncDispose]: async () => await Promise.resolve(),
      },
      { activation: { ...limits, graceMs: 300, watchMs: 5 } },
    );
    const command = { storePath: join(dir, "system"), action: "test" } as const;
    const result = await activation.run("one", command, never);
    const runs = await readFile(join(dir, "runs"), "utf8").catch(() => "");
    return { result, runs };
  }

  test.each(["sync", "mkfifo", "cat"])(
    "before it began (%s) is told from a switch that hangs, long before that would be",
    async (tool) => {
      const limits = { limitMs: 600_000, beginMs: 300 };
      expect(await run(tool, "true", limits)).toEqual({ result: { ended: "not begun" }, runs: "" });
    },
  );

  test("after it ended is told as well", async () => {
    const limits = { limitMs: 1500, beginMs: 1500 };
    const result = await run("sync", `[ -e ${dir}/runs ]`, limits);
    expect(result).toEqual({ result: { ended: "untold" }, runs: "x\n" });
  });
});
