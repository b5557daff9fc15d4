import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe } from "vitest";

import { keepsItsPromises } from "./contract.testkit.ts";

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
