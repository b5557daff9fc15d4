import { statfs } from "node:fs/promises";
import { arch, hostname, release } from "node:os";

import { AgentError } from "./agent-error.ts";
import type { Host, Space } from "./ports/host.ts";
import { runCommand } from "./process/run-command.ts";

const PROCESSOR: Partial<Record<string, string>> = {
  x64: "x86_64",
  arm64: "aarch64",
  ia32: "i686",
  arm: "armv7l",
  riscv64: "riscv64",
};

/** The machine that this process runs on. nix is asked for its version once: another one brings another agent. */
export function machineHost(environment: Readonly<Record<string, string>>): Host {
  let nixVersion = "";
  return {
    system: () => `${PROCESSOR[arch()] ?? arch()}-linux`,
    async describe(signal) {
      // One that could not be asked is asked again.
      if (nixVersion === "") {
        const { stdout, code } = await runCommand(
          { argv: ["nix", "--version"], environment, limitMs: 10_000, outputLimitBytes: 1024 },
          signal,
        );
        if (code === 0) nixVersion = stdout.trim().split(" ").at(-1) ?? "";
      }
      return { hostname: hostname(), kernel: release(), nixVersion };
    },
  };
}

export const machineSpace: Space = {
  async free(path) {
    const space = await machineSpace.freeIfThere(path);
    if (space !== undefined) return space;
    throw new AgentError("state", `the space of ${path} cannot be read: it is not there`, path);
  },
  async freeIfThere(path) {
    try {
      const { bsize, bavail, blocks } = await statfs(path);
      return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new AgentError("state", `the space of ${path} cannot be read`, cause);
    }
  },
};
