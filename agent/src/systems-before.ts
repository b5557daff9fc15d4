import type { Agent } from "./agent.ts";
import type { Generation } from "./ports/links.ts";

/**
 * Systems other than the running one that a device may go back to, the likeliest first: what the
 * profile names, what was booted, then the other generations from the newest on.
 */
export async function systemsBefore(
  { ports: { links } }: Pick<Agent, "ports">,
  running: string,
): Promise<readonly Generation[]> {
  const booted = await links.booted();
  const generations = await links.generations();
  const newestFirst = generations.toSorted((a, b) => b.number - a.number);
  const candidates = [
    await links.profile(),
    ...newestFirst.filter(({ storePath }) => storePath === booted),
    ...newestFirst,
  ];
  return candidates.filter(
    ({ storePath }, at) =>
      storePath !== running &&
      storePath !== "" &&
      candidates.findIndex((one) => one.storePath === storePath) === at,
  );
}

/** The first that is whole in the store. Nix that cannot tell is no reason to think that it is not. */
export async function firstWhole(
  { ports: { links, nix } }: Pick<Agent, "ports">,
  systems: readonly Generation[],
  signal: AbortSignal,
): Promise<Generation | undefined> {
  for (const system of systems) {
    const { storePath } = system;
    if (!(await links.runnable(storePath, "bin/switch-to-configuration"))) continue;
    if ((await nix.isValid(storePath, signal)) !== false) return system;
  }
  return undefined;
}
