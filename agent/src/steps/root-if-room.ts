import type { Agent } from "../agent.ts";
import type { RootName } from "../effects.ts";
import { whereRoom } from "../where-room.ts";

/** A root where there is room for one: a full disk is no reason not to go back. */
export async function rootIfRoom(
  { ports }: Agent,
  name: RootName,
  storePath: string,
): Promise<void> {
  await whereRoom(ports.log, async () => await ports.links.root(name, storePath));
}
