import { isFastForward } from "@nix-ota/proto/claim-checks";
import { toHex } from "@nix-ota/proto/hash";
import { listingDigest } from "@nix-ota/proto/listing";

import { recordAudit } from "../access/queries.ts";
import type { Db } from "../db/database.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { type ChannelKeys, keyFacts, requireSoundKeys } from "./channel-keys.ts";
import {
  advanceHead,
  createChannel,
  findChannelKeys,
  findHead,
  pinKeys,
} from "./channel-queries.ts";
import { type Listings, readListings, requireListings } from "./listings.ts";
import { decidePublish } from "./publish-rule.ts";
import {
  addSignatures,
  announceHead,
  insertListing,
  insertRelease,
  knownListings,
  lockManifests,
  replaceEnvelope,
} from "./queries.ts";
import type { StoredPlan } from "./rollout-plan.ts";
import { uniteEnvelopes } from "./unite-envelopes.ts";
import {
  rejected,
  requireOneRelease,
  targetName,
  verifyManifest,
  type VerifiedManifest,
} from "./verify.ts";

/** A release as an operator brings it. */
export interface Publication {
  readonly channel: string;
  readonly envelopes: readonly Uint8Array[];
  readonly listings: readonly Uint8Array[];
  /** To pin when the channel has none. */
  readonly keys: ChannelKeys;
  /** Undefined: the channel's. */
  readonly plan: StoredPlan | undefined;
  /** For the audit. */
  readonly actor: string;
  readonly address: string;
}

/** What became of it. */
export interface Published {
  readonly revision: bigint;
  readonly alreadyPublished: boolean;
  readonly channelCreated: boolean;
  /** The channel's keys that signed every manifest of the release. */
  readonly signedBy: readonly Uint8Array[];
}

/** Another publish may pin a channel's keys in between; more often than so it does not. */
const MOST_TRIES = 3;

/**
 * Puts a release on its channel: all of it or nothing. See the contract's
 * Publish for what is refused.
 *
 * Signatures are verified before the transaction, for they take milliseconds
 * each and others would wait; that the keys are still the channel's is seen
 * inside it.
 */
export async function publish(deps: Deps, publication: Publication): Promise<Published> {
  for (let tried = 1; ; tried += 1) {
    const keys = await keysFor(deps, publication);
    const manifests = await verifyAll(deps, publication, keys);
    requireOneRelease(manifests);
    const listings = readListings(publication.listings, manifests);
    try {
      return await deps.db
        .transaction()
        .execute((db) => store(db, { publication, keys, manifests, listings }));
    } catch (cause) {
      // The transaction was undone; the keys that are pinned instead decide.
      if (!(cause instanceof KeysChanged) || tried === MOST_TRIES) throw cause;
    }
  }
}

/** Undoes a transaction whose manifests were verified under other keys. */
class KeysChanged extends OtaError {
  constructor(channel: string) {
    super("KEYS_DIFFER", `the keys of channel ${channel} changed meanwhile; publish again`);
  }
}

/** The keys that count: the channel's, or for a channel without any those brought. */
async function keysFor({ db }: Deps, publication: Publication): Promise<ChannelKeys> {
  const { channel, keys: brought } = publication;
  const sound = requireSoundKeys(brought);
  const pinned = await findChannelKeys(db, channel);
  if (pinned === undefined || pinned.keys.length === 0) {
    // Who made the channel may have said how many have to sign, before it had keys.
    const threshold = Math.max(brought.threshold, pinned?.threshold ?? 1);
    if (brought.keys.length > 0) return requireSoundKeys({ ...sound, threshold });
    throw new OtaError(
      "KEYS_REQUIRED",
      `channel ${channel} has no signing keys; bring the public keys with its first publish`,
    );
  }
  const known = new Set(pinned.keys.map(({ publicKey }) => toHex(publicKey)));
  const stranger = brought.keys.find(({ publicKey }) => !known.has(toHex(publicKey)));
  if (stranger !== undefined) {
    throw new OtaError(
      "KEYS_DIFFER",
      `channel ${channel} is pinned to other keys than ${toHex(stranger.publicKey)}; sign with one of its keys, or have its keys changed first`,
    );
  }
  return pinned;
}

async function verifyAll(
  deps: Deps,
  { channel, envelopes }: Publication,
  keys: ChannelKeys,
): Promise<readonly VerifiedManifest[]> {
  const nowS = BigInt(Math.floor(deps.nowMs() / 1000));
  const manifests: VerifiedManifest[] = [];
  for (const envelope of envelopes) {
    manifests.push(verifyManifest(envelope, { channel, keys, nowS }));
    // Some hundreds of signatures take a second: let the devices in between.
    await deps.nextTurn();
  }
  return manifests;
}

interface Prepared {
  readonly publication: Publication;
  readonly keys: ChannelKeys;
  readonly manifests: readonly VerifiedManifest[];
  readonly listings: Listings;
}

async function store(db: Db, prepared: Prepared): Promise<Published> {
  const { publication, keys, manifests, listings } = prepared;
  const { channel } = publication;
  const revision = manifests[0]?.manifest.revision ?? 0n;

  const channelCreated = await createChannel(db, channel, keys);
  const before = await findHead(db, channel);
  requireShortJump(channel, revision, before);
  const advanced = await advanceHead(db, channel, revision);
  const pinned = channelCreated ? "by-this" : await pinning(db, channel, keys);
  if (pinned === "otherwise") throw new KeysChanged(channel);

  await storeListings(db, manifests, listings);
  const signedBy = signersOfAll(manifests);
  const entry = {
    actor: publication.actor,
    action: "Publish",
    subject: `${channel} r${revision}`,
    address: publication.address,
  };
  if (!advanced) {
    const added = await repeat(db, { channel, revision, keys, manifests });
    if (added.length > 0) {
      await recordAudit(db, { ...entry, after: { signaturesAdded: added } });
    }
    return { revision, alreadyPublished: true, channelCreated, signedBy };
  }
  await insertRelease(db, {
    channel,
    revision,
    manifests,
    publishedBy: publication.actor,
    plan: publication.plan,
  });
  await recordAudit(db, {
    ...entry,
    before: { headRevision: String(before) },
    after: {
      headRevision: String(revision),
      ...(pinned === "by-this" ? keyFacts(keys) : {}),
      manifests: manifests.map(({ manifest, payloadSha256 }) => ({
        target: manifest.target,
        storePath: manifest.storePath,
        payloadSha256: toHex(payloadSha256),
      })),
    },
  });
  await announceHead(db, channel);
  return { revision, alreadyPublished: false, channelCreated, signedBy };
}

/**
 * Whether the keys that were verified with are the channel's, seen while it is
 * held. A channel without any is pinned to them.
 */
async function pinning(
  db: Db,
  channel: string,
  keys: ChannelKeys,
): Promise<"before" | "by-this" | "otherwise"> {
  const pinned = await findChannelKeys(db, channel);
  if (pinned?.keys.length === 0) {
    if (pinned.threshold > keys.threshold) return "otherwise";
    await pinKeys(db, channel, keys);
    return "by-this";
  }
  const [seen, held] = [keys, pinned].map((one) => [
    one?.threshold,
    ...(one?.keys ?? []).map(({ publicKey }) => toHex(publicKey)).toSorted(),
  ]);
  return seen?.join() === held?.join() ? "before" : "otherwise";
}

/**
 * That the head is not raised out of reach: devices refuse such a jump, and
 * above the highest number nothing could be published any more.
 *
 * @throws {OtaError} MANIFEST_REJECTED with FAST_FORWARD.
 */
function requireShortJump(channel: string, revision: bigint, head: bigint): void {
  if (!isFastForward(revision, head)) return;
  throw rejected({
    code: "FAST_FORWARD",
    message: `r${revision} is over a million above the head of ${channel}, r${head}, and devices would refuse it; sign revision ${head + 1n}`,
  });
}

/** In the order of their digests, so that two publishes never wait for each other. */
async function storeListings(
  db: Db,
  manifests: readonly VerifiedManifest[],
  listings: Listings,
): Promise<void> {
  const sorted = [...listings].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [, content] of sorted) await insertListing(db, listingDigest(content), content);
  const pinned = manifests
    .map(({ manifest }) => manifest.closureDigest)
    .filter((digest) => digest.length > 0);
  const known = await knownListings(db, pinned);
  requireListings(manifests, new Set(known.map(toHex)));
}

/**
 * The same payloads once more: signatures are united. Anything else is refused.
 *
 * @returns Targets whose manifest has signatures by it that it had not.
 */
async function repeat(
  db: Db,
  release: {
    readonly channel: string;
    readonly revision: bigint;
    readonly keys: ChannelKeys;
    readonly manifests: readonly VerifiedManifest[];
  },
): Promise<readonly string[]> {
  const { channel, revision, manifests } = release;
  const stored = await lockManifests(db, channel, revision);
  const brought = manifests.map(({ manifest, payloadSha256 }) => ({
    target: manifest.target,
    payloadSha256,
  }));
  const decision = decidePublish(brought, stored);
  if (decision.kind !== "repeat") {
    const headRevision = await findHead(db, channel);
    if (decision.kind === "stale") {
      throw new OtaError(
        "REVISION_STALE",
        `r${revision} is below the head of ${channel}, r${headRevision}; sign revision ${headRevision + 1n} or higher`,
        { details: { headRevision } },
      );
    }
    throw new OtaError(
      "REVISION_TAKEN",
      `r${revision} of ${channel} is published with something else for ${targetName(decision.target)}; sign revision ${headRevision + 1n} or higher`,
      { details: { headRevision } },
    );
  }
  const publicKeys = release.keys.keys.map(({ publicKey }) => publicKey);
  const added: string[] = [];
  for (const { manifest, envelope } of manifests) {
    const before = stored.find(({ target }) => target === manifest.target)?.envelope ?? envelope;
    const united = uniteEnvelopes(before, envelope, publicKeys);
    if (united === before) continue;
    await replaceEnvelope(db, manifest, united);
    added.push(manifest.target);
  }
  await addSignatures(db, manifests);
  return added;
}

function signersOfAll(manifests: readonly VerifiedManifest[]): readonly Uint8Array[] {
  const [first, ...others] = manifests.map(({ signedBy }) => signedBy);
  const sets = others.map((keys) => new Set(keys.map(toHex)));
  return (first ?? []).filter((key) => sets.every((set) => set.has(toHex(key))));
}
