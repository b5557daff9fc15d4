import { toHex } from "@nix-ota/proto/hash";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { byteText, revisionText } from "../amounts.ts";
import { safeText } from "../terminal-text.ts";

/** What a manifest says, for a program. */
export function manifestDocument(manifest: Manifest) {
  return {
    schema: manifest.schema,
    fleet: manifest.fleet,
    channel: manifest.channel,
    target: manifest.target,
    revision: Number(manifest.revision),
    system: manifest.system,
    storePath: manifest.storePath,
    substituters: manifest.substituters,
    closureBytes: Number(manifest.closureBytes),
    closureDigest: toHex(manifest.closureDigest),
    issuedAt: secondsText(manifest.issuedAtS),
    notAfter: manifest.notAfterS === 0n ? null : secondsText(manifest.notAfterS),
    minAgentLevel: manifest.minAgentLevel,
    nextChannel: manifest.nextChannel,
    allowAgentRemoval: manifest.allowAgentRemoval,
    allowKeyChange: manifest.allowKeyChange,
    message: manifest.message,
    sourceRevision: manifest.sourceRevision,
  };
}

/** What a manifest says, for a person; empty values are left out. */
export function manifestFields(manifest: Manifest): [name: string, value: string][] {
  const fields: [string, string][] = [
    ["channel", manifest.channel],
    ["target", manifest.target],
    ["fleet", manifest.fleet],
    ["revision", revisionText(manifest.revision)],
    ["system", manifest.system],
    ["path", manifest.storePath],
    ["caches", manifest.substituters.join(", ")],
    ["closure", byteText(manifest.closureBytes)],
    ["listing", manifest.closureDigest.length === 0 ? "not pinned" : toHex(manifest.closureDigest)],
    ["signed at", secondsText(manifest.issuedAtS) ?? `${manifest.issuedAtS} s`],
    ["expires", manifest.notAfterS === 0n ? "never" : (secondsText(manifest.notAfterS) ?? "")],
    ["agent level", manifest.minAgentLevel === 0 ? "" : `${manifest.minAgentLevel} or above`],
    ["next channel", manifest.nextChannel],
    ["allows", allowances(manifest)],
    ["message", manifest.message],
    ["source", manifest.sourceRevision],
  ];
  return fields.map(([name, value]) => [name, safeText(value)]);
}

function allowances(manifest: Manifest): string {
  return [
    ...(manifest.allowAgentRemoval ? ["a system without agent"] : []),
    ...(manifest.allowKeyChange ? ["a system that trusts other keys"] : []),
  ].join(", ");
}

/** Null for a number that no calendar has. */
function secondsText(seconds: bigint): string | null {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
