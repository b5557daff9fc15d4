import type { ServiceImpl } from "@connectrpc/connect";
import { toHex } from "@nix-ota/proto/hash";
import { diffListings, parseListing, type ListingEntry } from "@nix-ota/proto/listing";
import type {
  DiffReleasesRequest,
  PublishService,
} from "@nix-ota/proto/nixota/v1/publish_service_pb";

import { requireRead } from "../auth.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { findListed, type ListedManifest } from "./diff-queries.ts";
import { targetName } from "./verify.ts";

/** A closure has some thousand packages; more than these would not fit an answer. */
const MOST_CHANGES = 10_000;

/** The call that compares what two releases hold. */
export function diffCalls(deps: Deps): Pick<ServiceImpl<typeof PublishService>, "diffReleases"> {
  return {
    async diffReleases(request, context) {
      requireRead(context);
      const { channel } = request;
      const { before, after } = await findBoth(deps, request);
      const earlier = entriesOf(before, channel);
      // Parsing a large listing takes a while: let the devices in between.
      await deps.nextTurn();
      const later = entriesOf(after, channel);
      await deps.nextTurn();
      const { packages, added, removed } = diffListings(earlier, later);
      return {
        changes: packages.slice(0, MOST_CHANGES).map((one) => ({
          name: one.name,
          versionsBefore: [...one.before],
          versionsAfter: [...one.after],
        })),
        addedPaths: added.length,
        removedPaths: removed.length,
        beforeRevision: before.revision,
        afterRevision: after.revision,
      };
    },
  };
}

async function findBoth(
  { db }: Deps,
  { channel, target, beforeRevision, afterRevision }: DiffReleasesRequest,
): Promise<{ readonly before: ListedManifest; readonly after: ListedManifest }> {
  const after = await findListed(db, channel, target, { at: afterRevision });
  if (after === undefined) throw noRelease({ channel, target, revision: afterRevision });
  const before = await findListed(
    db,
    channel,
    target,
    beforeRevision === 0n ? { below: after.revision } : { at: beforeRevision },
  );
  if (before !== undefined) return { before, after };
  if (beforeRevision > 0n) throw noRelease({ channel, target, revision: beforeRevision });
  throw new OtaError(
    "RELEASE_UNKNOWN",
    `r${after.revision} is the first release of ${channel} for ${targetName(target)}; there is none to compare it with`,
  );
}

function noRelease(which: {
  readonly channel: string;
  readonly target: string;
  readonly revision: bigint;
}): OtaError {
  const name = which.revision === 0n ? "no release" : `no r${which.revision}`;
  return new OtaError(
    "RELEASE_UNKNOWN",
    `there is ${name} of ${which.channel} for ${targetName(which.target)}`,
  );
}

function entriesOf(
  { revision, digest, listing }: ListedManifest,
  channel: string,
): readonly ListingEntry[] {
  if (digest === null) {
    throw new OtaError(
      "LISTING_UNKNOWN",
      `r${revision} of ${channel} pins no listing, so what it holds is not known here`,
    );
  }
  if (listing === null) {
    throw new OtaError(
      "LISTING_UNKNOWN",
      `the server does not have the listing ${toHex(digest)} of r${revision} of ${channel}; publish the release again with it`,
    );
  }
  const entries = parseListing(listing);
  if (typeof entries !== "string") return entries;
  throw new OtaError("INTERNAL", `the stored listing ${toHex(digest)} is none: ${entries}`);
}
