import { AgentError } from "../agent-error.ts";
import type { Agent } from "../agent.ts";
import type { RootName } from "../effects.ts";

/** A root where there is room for one: a full disk is no reason not to go back. */
export async function rootIfRoom(
  { ports }: Agent,
  name: RootName,
  storePath: string,
): Promise<void> {
  try {
    await ports.links.root(name, storePath);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    ports.log("warn", cause.message, { cause: String(cause.cause).slice(0, 1000) });
  }
}
