/**
 * Which generations of the system profile this device's agent made, and which of those are one too
 * many. Pure. A generation that a person made is never touched.
 */
import type { Generation } from "./ports/links.ts";

/**
 * That the agent lets the profile name a path. Durable before it does: nix gives the generation its
 * number, a higher one than there was.
 */
export interface Claim {
  readonly above: number;
  readonly storePath: string;
}

/** Those of the generations that are claimed, ascending. */
export function ownGenerations(
  claims: readonly Claim[],
  generations: readonly Generation[],
): readonly Generation[] {
  const own = claims.flatMap((claim) => claimed(claim, generations) ?? []);
  return generations.filter((generation) => own.includes(generation));
}

/** Claims as far as they name a generation: what never came about, or is gone, is claimed no more. */
export function standingClaims(
  claims: readonly Claim[],
  generations: readonly Generation[],
): readonly Claim[] {
  return ownGenerations(claims, generations).map(({ number, storePath }) => ({
    above: number - 1,
    storePath,
  }));
}

/**
 * Own generations that are not among the newest `keep`, oldest first.
 *
 * @param needed store paths that stay whatever their age: what runs, booted, is committed or is the way back.
 */
export function superfluous(
  own: readonly Generation[],
  keep: number,
  needed: ReadonlySet<string>,
): readonly Generation[] {
  return own
    .slice(0, Math.max(0, own.length - keep))
    .filter(({ storePath }) => !needed.has(storePath));
}

function claimed(
  { above, storePath }: Claim,
  generations: readonly Generation[],
): Generation | undefined {
  return generations.find(
    (generation) => generation.number > above && generation.storePath === storePath,
  );
}
