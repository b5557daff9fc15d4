import { MAX_ENVELOPE_BYTES } from "@nix-ota/proto/signed-manifest";

import { revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { readBytes } from "../read-file.ts";
import { answerOf } from "../server-error.ts";

/** Where an envelope is to be had. */
export type EnvelopeSource =
  | { kind: "file"; file: string }
  /** `revision` 0: the head. */
  | { kind: "release"; channel: string; target: string; revision: bigint };

/**
 * Reads an envelope, of which nothing has been checked but that it is not endless.
 *
 * @throws {CliError} `file`, `refused` or `unreachable`.
 */
export async function readEnvelope(
  source: EnvelopeSource,
  connect: () => Promise<Server>,
): Promise<Uint8Array> {
  return source.kind === "file"
    ? // One byte more than an envelope may have is read, so that the gate sees it is too large.
      readBytes(source.file, MAX_ENVELOPE_BYTES, "name a file that holds an envelope")
    : fetchEnvelope(source, await connect());
}

async function fetchEnvelope(
  { channel, target, revision }: EnvelopeSource & { kind: "release" },
  server: Server,
): Promise<Uint8Array> {
  const { release } = await answerOf(server.publish.getRelease({ channel, revision }), server.url);
  const manifest = release?.manifests.find((one) => one.target === target);
  if (release !== undefined && manifest !== undefined) return manifest.envelope;
  const targets = release?.manifests.map((one) => one.target || "(none)").join(", ") ?? "";
  throw new CliError(
    "refused",
    `${revisionText(release?.revision ?? revision)} on ${channel} has no manifest for ` +
      `${target === "" ? "devices without a target" : `target ${target}`}; it has: ${targets}`,
  );
}
