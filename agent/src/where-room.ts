import { AgentError } from "./agent-error.ts";
import type { Ports } from "./ports/ports.ts";

/**
 * For what is merely told: a disk that is full, or cannot be read, must not keep the agent from its
 * work.
 *
 * @returns whether it could be done; if not, why is in the log.
 */
export async function whereRoom(log: Ports["log"], act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (cause) {
    if (!(cause instanceof AgentError) || cause.kind !== "state") throw cause;
    log("warn", cause.message, { cause: String(cause.cause).slice(0, 1000) });
    return false;
  }
}
