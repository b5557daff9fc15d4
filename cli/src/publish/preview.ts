import { toHex } from "@nix-ota/proto/hash";
import { keyId, type PublicKey } from "@nix-ota/proto/key-file";
import type { PackageDifference } from "@nix-ota/proto/listing";
import { storePathName } from "@nix-ota/proto/store-path";

import { byteChangeText, byteText, countOf, revisionText } from "../amounts.ts";
import type { Output } from "../output.ts";
import { renderFields } from "../table.ts";
import type { Changes } from "./changes.ts";
import type { Content } from "./content.ts";

/** What is about to be signed. */
export interface Preview {
  content: Content;
  revision: bigint;
  pathCount: number;
  changes: Changes;
  /** Undefined when it cannot be told from here. */
  rebootRequired: boolean | undefined;
  signers: readonly PublicKey[];
}

/** Package changes shown to a person; `--json` has all of them. */
const SHOWN_PACKAGES = 20;

/** The preview for a person, as several lines. */
export function previewText(preview: Preview, paint: Output["paint"]): string {
  const { content, changes, revision } = preview;
  const step = changes.before
    ? `${revisionText(changes.before.revision)} → ${revisionText(revision)}`
    : revisionText(revision);
  const title = [
    content.channel,
    ...(content.target === "" ? [] : [`(target ${content.target})`]),
    step,
    storePathName(content.storePath) ?? "",
  ].join(" ");
  const fields = renderFields(
    [
      ["path", content.storePath],
      ["packages", packageText(changes)],
      ["closure", closureText(preview)],
      ["download", downloadText(changes)],
      ["reboot", rebootText(preview)],
      ["contents", content.closureDigest.length === 0 ? "not pinned" : "pinned by their hashes"],
      ["caches", content.substituters.join(", ")],
      ["fleet", content.fleet],
      ["expires", content.notAfterS === 0n ? "" : dateText(content.notAfterS)],
      ["message", content.message],
      ["source", content.sourceRevision],
      ["signed by", preview.signers.map(signerText).join(", ")],
    ],
    (name) => paint("dim", name),
  );
  return `${paint("bold", title)}\n${indent(fields)}`;
}

/** The preview for a program. */
export function previewDocument(preview: Preview) {
  const { content, changes } = preview;
  return {
    channel: content.channel,
    target: content.target,
    fleet: content.fleet,
    revision: Number(preview.revision),
    storePath: content.storePath,
    system: content.system,
    substituters: content.substituters,
    closureBytes: Number(content.closureBytes),
    closureDigest: toHex(content.closureDigest),
    pathCount: preview.pathCount,
    notAfter: content.notAfterS === 0n ? null : dateText(content.notAfterS),
    message: content.message,
    sourceRevision: content.sourceRevision,
    signedBy: preview.signers.map(({ name, publicKey }) => ({
      name,
      keyId: toHex(keyId(publicKey)),
    })),
    changes: {
      beforeRevision: changes.before === undefined ? null : Number(changes.before.revision),
      beforeStorePath: changes.before?.storePath ?? null,
      packages: changes.packages ?? null,
      addedPaths: changes.addedPaths,
      removedPaths: changes.removedPaths,
      downloadBytes: Number(changes.downloadBytes),
      rebootRequired: preview.rebootRequired ?? null,
    },
  };
}

function packageText({ before, packages }: Changes): string {
  if (before === undefined) return "the first release that devices take here";
  if (packages === undefined)
    return "cannot be compared: the server has no listing that the head pins";
  if (packages.length === 0) return "the same versions";
  const count = (wanted: (one: PackageDifference) => boolean): number =>
    packages.filter(wanted).length;
  const added = count((one) => one.before.length === 0);
  const removed = count((one) => one.after.length === 0);
  const lines = packages.slice(0, SHOWN_PACKAGES).map(changeText);
  const more = packages.length - lines.length;
  return [
    `${packages.length - added - removed} changed, ${added} added, ${removed} removed`,
    ...lines,
    ...(more > 0 ? [`  and ${more} more (--json has all)`] : []),
  ].join("\n");
}

function changeText({ name, before, after }: PackageDifference): string {
  const versions = (list: readonly string[]): string =>
    list.map((version) => (version === "" ? "(no version)" : version)).join(", ");
  if (before.length === 0) return `+ ${name} ${versions(after)}`;
  if (after.length === 0) return `- ${name} ${versions(before)}`;
  return `  ${name} ${versions(before)} → ${versions(after)}`;
}

function closureText({ content, changes, pathCount }: Preview): string {
  const size = `${byteText(content.closureBytes)} in ${countOf(pathCount, "path")}`;
  if (changes.before === undefined) return size;
  return `${size} (${byteChangeText(content.closureBytes - changes.before.closureBytes)})`;
}

function downloadText({ before, packages, addedPaths, downloadBytes }: Changes): string {
  const amount = `${byteText(downloadBytes)} in ${countOf(addedPaths, "path")}`;
  if (before === undefined || packages === undefined) return `${amount} at most`;
  return `${amount} for a device on ${revisionText(before.revision)}`;
}

function rebootText({ changes, rebootRequired }: Preview): string {
  if (rebootRequired === undefined)
    return changes.before === undefined ? "" : "not known: the system before is not in this store";
  return rebootRequired ? "needed: kernel, initrd or kernel parameters differ" : "not needed";
}

function signerText({ name, publicKey }: PublicKey): string {
  return `${name} (key id ${toHex(keyId(publicKey))})`;
}

function dateText(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString();
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
