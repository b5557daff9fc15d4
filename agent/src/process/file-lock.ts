import { existsSync } from "node:fs";

import { AgentError } from "../agent-error.ts";
import { runCommand } from "./run-command.ts";

/** Whether somebody holds the lock of a file. A file that is not there is not locked. */
export async function isLocked(
  path: string,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<boolean> {
  if (!existsSync(path)) return false;
  const { how, code } = await runCommand(
    {
      argv: ["flock", "--nonblock", path, "true"],
      environment,
      limitMs: 10_000,
      outputLimitBytes: 1024,
    },
    signal,
  );
  signal.throwIfAborted();
  if (how !== "exited") throw new AgentError("tool", `flock ${how}; it is part of util-linux`, how);
  return code !== 0;
}
