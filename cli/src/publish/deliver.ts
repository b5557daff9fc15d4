import { create } from "@bufbuild/protobuf";
import type { PublicKey } from "@nix-ota/proto/key-file";
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
  envelope: Uint8Array;
  /** Undefined when the closure is not pinned. */
  listing: Uint8Array | undefined;
  /** Keys to pin; empty but for the first publish on a channel. */
  publicKeys: readonly PublicKey[];
  threshold: number;
}

/** A request has at most 4 MiB; a listing that would fill it travels ahead of it. */
const LARGEST_INLINE_LISTING = 2 * 1024 * 1024;

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
  const { envelope, listing, publicKeys, threshold } = delivery;
  const ahead = listing !== undefined && listing.length > LARGEST_INLINE_LISTING;
  if (ahead) await persist(() => server.publish.putListing({ listing }), server, host, output);
  const request = create(PublishRequestSchema, {
    envelopes: [envelope],
    listings: listing === undefined || ahead ? [] : [listing],
    publicKeys: publicKeys.map(({ name, publicKey }) => ({ name, key: publicKey })),
    threshold: publicKeys.length === 0 ? 0 : threshold,
  });
  return persist(() => server.publish.publish(request), server, host, output);
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
