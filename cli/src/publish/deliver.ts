import { create, toBinary } from "@bufbuild/protobuf";
import { toHex } from "@nix-ota/proto/hash";
import type { PublicKey } from "@nix-ota/proto/key-file";
import { listingDigest } from "@nix-ota/proto/listing";
import {
  PublishRequestSchema,
  type PublishResponse,
} from "@nix-ota/proto/nixota/v1/publish_service_pb";

import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { answerOf } from "../server-error.ts";

/** What goes to the server. */
export interface Delivery {
  /** One for each target. */
  envelopes: readonly Uint8Array[];
  /** Those of the pinned closures; the same one may be there several times. */
  listings: readonly Uint8Array[];
  /** Keys to pin; empty but for the first publish on a channel. */
  publicKeys: readonly PublicKey[];
  threshold: number;
}

/** A request has at most 4 MiB; listings that would fill it travel ahead of it. */
const LARGEST_INLINE_LISTINGS = 2 * 1024 * 1024;
const LARGEST_REQUEST = 4 * 1024 * 1024;

/** Waits between tries, 15 s in all: as long as a server takes to restart. */
const WAITS_MS = [500, 1000, 2000, 4000, 8000] as const;

/** A server that asks for more patience than this is given up on. */
const LONGEST_WAIT_MS = 30_000;

/**
 * Publishes. A lost connection leaves open whether the server took the release; the same bytes go
 * again then, which it answers with "already published" if it did.
 *
 * @throws {CliError} `refused`, or `unreachable` after six tries.
 */
export async function deliver(
  server: Server,
  delivery: Delivery,
  host: Host,
  output: Output,
): Promise<PublishResponse> {
  const { envelopes, publicKeys, threshold } = delivery;
  const listings = distinct(delivery.listings);
  const size = listings.reduce((sum, { length }) => sum + length, 0);
  const ahead = size > LARGEST_INLINE_LISTINGS;
  const request = create(PublishRequestSchema, {
    envelopes: [...envelopes],
    listings: ahead ? [] : listings,
    publicKeys: publicKeys.map(({ name, publicKey }) => ({ name, key: publicKey })),
    threshold: publicKeys.length === 0 ? 0 : threshold,
  });
  if (toBinary(PublishRequestSchema, request).length > LARGEST_REQUEST)
    throw new CliError(
      "usage",
      `the manifests of ${envelopes.length} targets are over 4 MiB together; publish them in two releases`,
    );
  if (ahead)
    for (const [index, listing] of listings.entries()) {
      output.progress(`uploading listing ${index + 1} of ${listings.length}`);
      await persist(() => server.publish.putListing({ listing }), server, host, output);
    }
  return persist(() => server.publish.publish(request), server, host, output);
}

function distinct(listings: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(listings.map((one) => [toHex(listingDigest(one)), one])).values()];
}

async function persist<T>(
  call: () => Promise<T>,
  server: Server,
  host: Host,
  output: Output,
): Promise<T> {
  for (const [index, waitMs] of WAITS_MS.entries()) {
    try {
      return await answerOf(call(), server.url);
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof CliError) || !mayPass(error)) throw error;
      output.note(`${error.message} (try ${index + 1} of ${WAITS_MS.length + 1})`);
      const askedForMs = Math.min(error.refusal?.retryAfterMs ?? 0, LONGEST_WAIT_MS);
      await host.wait(Math.max(waitMs, askedForMs), host.signal);
    }
  }
  return answerOf(call(), server.url);
}

function mayPass(error: CliError): boolean {
  if (error.refusal?.reason === "INTERNAL") return false;
  return error.kind === "unreachable" || error.refusal?.reason === "OVERLOADED";
}
