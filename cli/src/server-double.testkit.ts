import { create } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { sha256, toHex } from "@nix-ota/proto/hash";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { PublishService, type PublishRequest } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ReleaseSchema, type Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { otaError } from "@nix-ota/proto/reason";
import { decodeEnvelope, signManifest } from "@nix-ota/proto/signed-manifest";

import { serverOver, type Server } from "./client.ts";

/** A server in this process: compare-and-set over releases in memory, and nothing else. */
export interface ServerDouble {
  readonly server: Server;
  /** Releases by revision; tests put lies in. */
  readonly releases: Map<bigint, Release>;
  readonly listings: Map<string, Uint8Array>;
  /** All publishes that arrived, also those that were not answered. */
  readonly requests: PublishRequest[];
  /** Called before each publish is judged. */
  beforePublish: () => void;
  /** Called after each publish was taken, before it is answered. */
  afterPublish: () => void;
}

export function serverDouble(): ServerDouble {
  const double: ServerDouble = {
    server: serverOver(
      createRouterTransport(({ service }) => {
        service(PublishService, {
          publish: (request) => {
            double.requests.push(request);
            double.beforePublish();
            const answer = take(request, double);
            double.afterPublish();
            return answer;
          },
          getRelease: ({ revision }) => {
            const release = double.releases.get(revision || headOf(double));
            if (release === undefined) throw otaError("CHANNEL_UNKNOWN", "no such channel");
            return { release };
          },
        });
        service(ChannelService, {
          getCurrent: () => ({ result: { case: undefined } }),
          getListing: ({ digest }) => {
            const listing = double.listings.get(toHex(digest));
            if (listing === undefined) throw otaError("LISTING_UNKNOWN", "no such listing");
            return { listing };
          },
        });
      }),
      "https://ota.test",
    ),
    releases: new Map(),
    listings: new Map(),
    requests: [],
    beforePublish: () => {},
    afterPublish: () => {},
  };
  return double;
}

/** Makes a release whose envelope somebody signed; `claims` lets the index lie about it. */
export function signedRelease(
  values: Partial<Omit<Manifest, "$typeName" | "$unknown">>,
  seeds: readonly Uint8Array[],
  claims: { revision?: bigint } = {},
): Release {
  const manifest = create(ManifestSchema, { schema: 1, issuedAtS: 1n, ...values });
  return releaseOf(signManifest(manifest, seeds), claims.revision);
}

/** What a connection that broke looks like to a client. */
export function lostConnection(): ConnectError {
  return new ConnectError("read ECONNRESET", Code.Aborted);
}

function take(request: PublishRequest, double: ServerDouble) {
  const release = releaseOf(request.envelopes[0] ?? new Uint8Array());
  const before = double.releases.get(release.revision);
  const headRevision = headOf(double);
  if (before !== undefined) {
    const same = (one: Release): string =>
      toHex(one.manifests[0]?.payloadSha256 ?? sha256(new Uint8Array()));
    if (same(before) === same(release)) return { release: before, alreadyPublished: true };
    throw otaError("REVISION_TAKEN", `r${release.revision} is taken`, { headRevision });
  }
  if (release.revision < headRevision)
    throw otaError("REVISION_STALE", `r${release.revision} is below the head`, { headRevision });
  if (headRevision === 0n && request.publicKeys.length === 0)
    throw otaError("KEYS_REQUIRED", "the channel has no keys");
  double.releases.set(release.revision, release);
  for (const listing of request.listings) double.listings.set(toHex(sha256(listing)), listing);
  return { release, channelCreated: headRevision === 0n };
}

function headOf({ releases }: ServerDouble): bigint {
  return [...releases.keys()].reduce((highest, one) => (one > highest ? one : highest), 0n);
}

function releaseOf(envelope: Uint8Array, claimed?: bigint): Release {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw otaError("MANIFEST_REJECTED", decoded.message);
  const { payload } = decoded.envelope;
  const { channel, revision, target, storePath } = fromBinary(ManifestSchema, payload);
  return create(ReleaseSchema, {
    channel,
    revision: claimed ?? revision,
    manifests: [{ target, storePath, envelope, payloadSha256: sha256(payload) }],
  });
}
