import type { Agent } from "../agent.ts";
import { ownGenerations, standingClaims, superfluous } from "../own-generations.ts";

/** Before the profile comes to name a path: the generation that nix makes of it will be the agent's. */
export async function claimGeneration({ ports }: Agent, storePath: string): Promise<void> {
  // Then nix makes none.
  if ((await ports.links.profile()).storePath === storePath) return;
  const generations = await ports.links.generations();
  const above = generations.at(-1)?.number ?? 0;
  const standing = standingClaims(await ports.claims.read(), generations);
  await ports.claims.write([...standing, { above, storePath }]);
}

/**
 * Removes own generations beyond those that are kept. Before the boot loader is written, which then
 * lists no generation that is gone. What fails here is tried again with the next update.
 */
export async function retireGenerations(agent: Agent, signal: AbortSignal): Promise<void> {
  const { ports, config } = agent;
  const claims = await ports.claims.read();
  const generations = await ports.links.generations();
  const standing = standingClaims(claims, generations);
  // nix made no generation where the newest had the path already: nothing later is the agent's by that.
  if (standing.length < claims.length) await ports.claims.write(standing);
  const own = ownGenerations(standing, generations);
  for (const { number } of superfluous(own, config.keepGenerations, await needed(agent))) {
    const said = await ports.nix.deleteGeneration(number, signal);
    if (said !== undefined) ports.log("warn", `generation ${number} could not be removed: ${said}`);
  }
}

/** Systems that the device may have to return to. */
async function needed({ ports, notebook }: Agent): Promise<ReadonlySet<string>> {
  const { state, firstBoot } = notebook.journal.machine;
  const ways = [
    ...("prev" in state ? [state] : []),
    ...(firstBoot === undefined ? [] : [firstBoot]),
  ];
  return new Set([
    await ports.links.running(),
    await ports.links.booted(),
    (await ports.links.profile()).storePath,
    ...ways.flatMap(({ attempt, prev }) => [
      attempt.storePath,
      prev.running,
      prev.booted,
      prev.profile,
    ]),
    ...Object.values(notebook.trust.channels).flatMap(
      ({ committed }) => committed?.storePath ?? [],
    ),
  ]);
}
