import { toHex } from "@nix-ota/proto/hash";

import { countOf, revisionText } from "../amounts.ts";
import type { Cache } from "../cache.ts";
import { channelDevices } from "../channel-devices.ts";
import { CliError } from "../cli-error.ts";
import type { Output } from "../output.ts";
import { pinnedListing } from "../publish/changes.ts";
import { contentOf, type Content } from "../publish/content.ts";
import {
  proveRelease,
  readRelease,
  type ProvenManifest,
  type TrustedKeys,
} from "../publish/head.ts";
import type { Means, Part } from "../publish/publish.ts";
import { expectCached, type ReleaseClosure } from "../publish/release-closure.ts";
import { safeText } from "../terminal-text.ts";

/** What devices are to go back to. */
export interface RollbackWishes {
  channel: string;
  /** The earlier revision whose content is published again. */
  to: bigint;
  /** Only these targets of it; empty: all. */
  targets: readonly string[];
  /** Empty: says what is rolled back to. */
  message: string;
  /** Seconds since 1970 UTC; undefined: as long after signing as the earlier one. */
  notAfterS: bigint | undefined;
  /** Whether devices may have to do with what they still have. */
  skipCacheCheck: boolean;
}

/** Ids named in a message; the count tells the rest. */
const NAMED = 20;

/**
 * The content of an earlier release, to be published under another number. It comes from the server,
 * so that it counts only as far as the operator's own keys signed it for the same channel, target and
 * number, and its listing only by the digest that they signed.
 *
 * @throws {CliError} `unproven` for what the keys do not prove, `refused` for what is not there,
 *   `cache` when devices could not fetch it.
 */
export async function earlierParts(
  wishes: RollbackWishes,
  trusted: TrustedKeys,
  openCaches: (urls: readonly string[]) => Promise<readonly Cache[]>,
  { server, host, output }: Pick<Means, "server" | "host" | "output">,
): Promise<readonly Part[]> {
  const { channel, to } = wishes;
  const manifests = chooseTargets(await provenManifests(wishes, trusted, server), wishes);
  const parts: Part[] = [];
  for (const { manifest } of manifests) {
    output.progress(`reading the listing of ${manifest.target || "devices without target"}`);
    const pinned = await pinnedListing(server, manifest);
    if (pinned === undefined && manifest.closureDigest.length > 0)
      throw new CliError(
        "refused",
        `the server does not have the listing ${toHex(manifest.closureDigest)} that ${revisionText(to)} on ${channel} pins; publish the system again from where it was built`,
      );
    if (pinned === undefined)
      output.warn(
        `the contents of ${revisionText(to)} are not pinned: whoever holds the cache's key could serve others`,
      );
    const closure: ReleaseClosure = {
      entries: pinned?.entries ?? [],
      bytes: manifest.closureBytes,
      fileSizes: undefined,
      listing: pinned?.listing,
      digest: manifest.closureDigest,
    };
    const now = BigInt(Math.trunc(host.now() / 1000));
    parts.push({ content: contentAgain(contentOf(manifest), manifest, wishes, now), closure });
  }
  if (wishes.skipCacheCheck) return parts;
  return withSizes(parts, openCaches, output, host.signal);
}

async function provenManifests(
  { channel, to }: RollbackWishes,
  trusted: TrustedKeys,
  server: Means["server"],
): Promise<readonly ProvenManifest[]> {
  const release = await readRelease(server, channel, to);
  if (release === undefined)
    throw new CliError(
      "refused",
      `there is no ${revisionText(to)} on ${channel}; nix-ota release list shows what there is`,
    );
  const judged = proveRelease(release, channel, trusted);
  const problem = ((): string | undefined => {
    if (judged.kind === "unproven") return judged.problem;
    // One that the keys do not prove among others that they do is no less foreign.
    if (judged.manifests.length !== release.manifests.length)
      return `${release.manifests.length - judged.manifests.length} of its manifests are signed by others`;
    // The server was asked for one number and could answer with another.
    if (judged.proof.manifest.revision !== to)
      return `the server answered with ${revisionText(judged.proof.manifest.revision)}`;
    return undefined;
  })();
  if (problem === undefined && judged.kind === "proven") return judged.manifests;
  throw new CliError(
    "unproven",
    `your keys do not prove ${revisionText(to)} on ${channel}: ${problem}; name the keys that signed it with --public-key`,
  );
}

function chooseTargets(
  manifests: readonly ProvenManifest[],
  { channel, to, targets }: RollbackWishes,
): readonly ProvenManifest[] {
  const names = manifests.map(({ manifest }) => manifest.target);
  const absent = targets.find((target) => !names.includes(target));
  if (absent !== undefined)
    throw new CliError(
      "usage",
      `${revisionText(to)} on ${channel} has nothing for target ${absent}; it has: ${names.map((name) => name || "(none)").join(", ")}`,
    );
  if (targets.length === 0) return manifests;
  return manifests.filter(({ manifest }) => targets.includes(manifest.target));
}

function contentAgain(
  content: Content,
  { issuedAtS, notAfterS }: { issuedAtS: bigint; notAfterS: bigint },
  wishes: RollbackWishes,
  nowS: bigint,
): Content {
  // A fleet whose releases expire must not get one that never does, nor one that has.
  const again = notAfterS === 0n ? 0n : nowS + (notAfterS - issuedAtS);
  const before = content.message === "" ? "" : `: ${content.message}`;
  return {
    ...content,
    message: wishes.message || `back to ${revisionText(wishes.to)}${before}`.slice(0, 1024),
    notAfterS: wishes.notAfterS ?? again,
  };
}

/** Each part's closure is asked for in its own caches; what they share is asked for once. */
async function withSizes(
  parts: readonly Part[],
  openCaches: (urls: readonly string[]) => Promise<readonly Cache[]>,
  output: Output,
  signal: AbortSignal,
): Promise<readonly Part[]> {
  const groups = Map.groupBy(parts, ({ content }) => content.substituters.join(" "));
  const checked = new Map<Part, Part>();
  for (const group of groups.values()) {
    const paths = new Map(
      group.flatMap(({ closure }) => closure.entries).map((one) => [one.path, one]),
    );
    if (paths.size === 0) continue;
    const caches = await openCaches(group[0]?.content.substituters ?? []);
    const storePaths = group.map(({ content }) => content.storePath);
    const fileSizes = await expectCached([...paths.values()], storePaths, caches, output, signal);
    for (const part of group)
      checked.set(part, { ...part, closure: { ...part.closure, fileSizes } });
  }
  return parts.map((part) => checked.get(part) ?? part);
}

/** Names the devices that proved once that the earlier release fails on them. */
export async function warnQuarantined(
  { channel, to }: RollbackWishes,
  targets: ReadonlySet<string>,
  { server, output }: Pick<Means, "server" | "output">,
): Promise<void> {
  const devices = await channelDevices(server, channel).catch((error: unknown) => {
    if (!(error instanceof CliError) || error.kind !== "refused") throw error;
    output.note("whether devices have quarantined it is not known: the token may not read devices");
    return [];
  });
  const ids = devices
    .filter(
      ({ target, quarantinedRevisions }) =>
        targets.has(target) && quarantinedRevisions.includes(to),
    )
    .map(({ id }) => safeText(id));
  if (ids.length === 0) return;
  const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : "";
  output.warn(
    `${revisionText(to)} failed on ${countOf(ids.length, "device")} that will try it again under the higher number: ${ids.slice(0, NAMED).join(", ")}${more}`,
  );
}
