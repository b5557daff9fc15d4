import { toHex } from "@nix-ota/proto/hash";
import { diffListings, listingDigest, makeListing, parseListing } from "@nix-ota/proto/listing";

import type { Agent } from "../agent.ts";
import type { Attempt } from "../attempt.ts";
import { note } from "../check-in.ts";
import type { Failure } from "../failure.ts";
import type { Copy } from "../ports/nix.ts";

const named = (paths: readonly string[]) =>
  `${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ` and ${paths.length - 3} more` : ""}`;

/**
 * Files as the database has them. A power cut after a copy leaves paths "valid" whose files are
 * empty, and a second copy says there is nothing to do: only reading every byte finds them.
 */
export async function contentsWhole(
  { ports }: Agent,
  copy: Copy,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const damaged = await ports.nix.damaged(copy.storePath, signal);
  if (damaged.length === 0) return undefined;
  ports.log("warn", "damaged paths are fetched again", { paths: damaged.slice(0, 20) });
  const failure = await ports.nix.repair(damaged, copy, signal);
  if (failure !== undefined) return failure;
  const left = await ports.nix.damaged(copy.storePath, signal);
  return left.length === 0
    ? undefined
    : {
        code: "CORRUPT_CACHE",
        message: `${named(left)} stay damaged after a repair; check disk and cache`,
      };
}

/**
 * The closure as it was signed for. Store paths do not commit to contents, so whoever holds the
 * cache's key could serve others under the same names. Poisoned paths are deleted: they stay valid
 * otherwise, and another copy would find nothing to do.
 */
export async function contentsPinned(
  agent: Agent,
  copy: Copy,
  closureDigest: Uint8Array,
  attempt: Pick<Attempt, "id" | "bundled">,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { ports, config } = agent;
  if (closureDigest.length === 0) return undefined;
  const here = await ports.nix.closure(copy.storePath, signal);
  const listing = makeListing(here);
  if (toHex(listingDigest(listing)) === toHex(closureDigest)) return undefined;

  const signed = await signedListing(agent, closureDigest, attempt, signal);
  if (signed === undefined) {
    return mismatch(
      "the closure on the device is not the one that was signed for, and the server has no listing to tell which paths differ",
    );
  }
  const { added, removed, differing } = diffListings(signed, parsed(listing));
  // Another set of paths is another closure: nothing here can make it the signed one.
  if (added.length + removed.length > 0) {
    return mismatch(
      `the closure on the device has other paths than the one that was signed for: ${named([...added, ...removed])}; publish the closure that is in the cache`,
    );
  }
  const before = await systemPaths(agent, signal);
  const fetched = differing.filter((path) => !before.has(path));
  const sentence = `${named(fetched)} ${fetched.length === 1 ? "is" : "are"} not what was signed for; the cache or its key cannot be trusted`;
  if (fetched.length === 0 || config.closurePinning === "warn") {
    ports.log("warn", "paths differ from what was signed for", { paths: differing.slice(0, 20) });
    return undefined;
  }
  await ports.links.unroot("staged");
  const kept = await ports.nix.remove(fetched, signal);
  return mismatch(
    kept === undefined
      ? `${sentence}; they were deleted`
      : `${sentence}; they could not be deleted: ${kept}`,
  );
}

const mismatch = (message: string): Failure => ({ code: "DIGEST_MISMATCH", message });

async function signedListing(
  agent: Agent,
  digest: Uint8Array,
  attempt: Pick<Attempt, "id" | "bundled">,
  signal: AbortSignal,
) {
  const brought =
    attempt.bundled === true ? await agent.ports.bundles.read(attempt.id, "listing") : undefined;
  if (brought !== undefined && toHex(listingDigest(brought)) === toHex(digest))
    return parsed(brought);
  const answer = await agent.ports.server.listing(digest, signal);
  note(agent, answer);
  if (answer.got !== "answer" || answer.value === undefined) return undefined;
  // The server only names the paths; what they must be was signed.
  if (toHex(listingDigest(answer.value)) !== toHex(digest)) return undefined;
  return parsed(answer.value);
}

function parsed(listing: Uint8Array) {
  const entries = parseListing(listing);
  return typeof entries === "string" ? [] : entries;
}

/** What booted, runs or is the profile: fetched before, perhaps from another builder. */
async function systemPaths({ ports }: Agent, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const systems = new Set([
    await ports.links.running(),
    await ports.links.booted(),
    (await ports.links.profile()).storePath,
  ]);
  const paths = new Set<string>();
  for (const system of systems) {
    if (system === "" || (await ports.nix.isValid(system, signal)) !== true) continue;
    for (const { path } of await ports.nix.closure(system, signal)) paths.add(path);
  }
  return paths;
}
