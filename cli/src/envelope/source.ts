import { open } from "node:fs/promises";

import { MAX_ENVELOPE_BYTES } from "@nix-ota/proto/signed-manifest";

import { revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
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
    ? readFileBounded(source.file)
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

/** One byte more than an envelope may have is read, so that the gate sees it is too large. */
async function readFileBounded(file: string): Promise<Uint8Array> {
  const handle = await open(file, "r").catch((error: unknown) => {
    throw new CliError("file", `${file} cannot be opened; name a file that holds an envelope`, {
      cause: error,
    });
  });
  try {
    const buffer = new Uint8Array(MAX_ENVELOPE_BYTES + 1);
    let size = 0;
    while (size < buffer.length) {
      const { bytesRead } = await handle.read(buffer, size, buffer.length - size);
      if (bytesRead === 0) break;
      size += bytesRead;
    }
    return buffer.slice(0, size);
  } finally {
    await handle.close();
  }
}
