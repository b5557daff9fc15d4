import type { Ports } from "./ports/ports.ts";

/**
 * Whether a device can go back to a system. Nix that cannot tell, as on a full disk, is no reason to
 * think that it is gone.
 */
export async function isWholeSystem(
  { links, nix }: Pick<Ports, "links" | "nix">,
  storePath: string,
  signal: AbortSignal,
): Promise<boolean> {
  return (
    (await links.runnable(storePath, "bin/switch-to-configuration")) &&
    (await nix.isValid(storePath, signal)) !== false
  );
}
