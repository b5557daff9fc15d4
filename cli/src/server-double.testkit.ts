import { create } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { sha256, toHex } from "@nix-ota/proto/hash";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { Device } from "@nix-ota/proto/nixota/v1/device_pb";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { PublishService, type PublishRequest } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ReleaseSchema, type Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { otaError } from "@nix-ota/proto/reason";
import { decodeEnvelope, signManifest, uniteSignatures } from "@nix-ota/proto/signed-manifest";

import { serverOver, type Server } from "./client.ts";

/** A server in this process: compare-and-set over releases in memory, and nothing else. */
export interface ServerDouble {
  readonly server: Server;
  /** Releases by revision; tests put lies in. */
  readonly releases: Map<bigint, Release>;
  readonly listings: Map<string, Uint8Array>;
  /** What ListDevices answers, whatever it is asked. */
  devices: Device[];
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
          putListing: ({ listing }) => {
            const digest = sha256(listing);
            double.listings.set(toHex(digest), listing);
            return { digest };
          },
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
        service(CheckinService, {
          listDevices: () => ({ devices: double.devices }),
        });
        service(ChannelService, {
          getCurrent: ({ target }) => {
            const envelope = newestOfTarget(double, target);
            if (envelope === undefined) return { result: { case: undefined } };
            return { result: { case: "envelope", value: envelope } };
          },
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
    devices: [],
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
  return releaseOf([signManifest(manifest, seeds)], claims.revision);
}

/** What a connection that broke looks like to a client. */
export function lostConnection(): ConnectError {
  return new ConnectError("read ECONNRESET", Code.Aborted);
}

function take(request: PublishRequest, double: ServerDouble) {
  const release = releaseOf(request.envelopes);
  const before = double.releases.get(release.revision);
  const headRevision = headOf(double);
  if (before !== undefined) {
    for (const manifest of release.manifests) {
      const stored = before.manifests.find(({ target }) => target === manifest.target);
      const same = stored && toHex(stored.payloadSha256) === toHex(manifest.payloadSha256);
      if (!same)
        throw otaError("REVISION_TAKEN", `r${release.revision} is taken`, { headRevision });
      Object.assign(stored, manifestOf(uniteSignatures(stored.envelope, manifest.envelope)));
    }
    return { release: before, alreadyPublished: true };
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

function newestOfTarget({ releases }: ServerDouble, target: string): Uint8Array | undefined {
  return [...releases.values()]
    .toSorted((a, b) => Number(b.revision - a.revision))
    .flatMap(({ manifests }) => manifests)
    .find((manifest) => manifest.target === target)?.envelope;
}

function releaseOf(envelopes: readonly Uint8Array[], claimed?: bigint): Release {
  const manifests = envelopes.map(manifestOf);
  const { channel, revision } = payloadOf(envelopes[0] ?? new Uint8Array());
  return create(ReleaseSchema, { channel, revision: claimed ?? revision, manifests });
}

function manifestOf(envelope: Uint8Array) {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw otaError("MANIFEST_REJECTED", decoded.message);
  const { payload, signatures } = decoded.envelope;
  const { target, storePath, closureDigest } = payloadOf(envelope);
  return {
    target,
    storePath,
    closureDigest,
    envelope,
    payloadSha256: sha256(payload),
    keyIds: signatures.map(({ keyId }) => keyId),
  };
}

function payloadOf(envelope: Uint8Array): Manifest {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw otaError("MANIFEST_REJECTED", decoded.message);
  return fromBinary(ManifestSchema, decoded.envelope.payload);
}
