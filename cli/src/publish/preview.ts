import { toHex } from "@nix-ota/proto/hash";
import { keyId, type PublicKey } from "@nix-ota/proto/key-file";
import type { PackageDifference } from "@nix-ota/proto/listing";
import { storePathName } from "@nix-ota/proto/store-path";

import { byteChangeText, byteText, countOf, revisionText } from "../amounts.ts";
import type { Output } from "../output.ts";
import { renderFields, renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import type { Changes } from "./changes.ts";
import type { Content } from "./content.ts";

/** What is about to be signed. */
export interface Preview {
  channel: string;
  revision: bigint;
  /** The head before, undefined for the first release. */
  headRevision: bigint | undefined;
  parts: readonly PartPreview[];
  /** When it was prepared, where that was not just now; seconds since 1970 UTC. */
  preparedAtS?: bigint;
  /** Targets whose devices have the wanted content and stay where they are. */
  unchanged: readonly { target: string; revision: bigint; storePath: string }[];
  signers: readonly PublicKey[];
}

/** What is about to be signed for one target. */
export interface PartPreview {
  content: Content;
  /** 0 where the closure is not known. */
  pathCount: number;
  changes: Changes;
  /** Undefined when it cannot be told from here. */
  rebootRequired: boolean | undefined;
}

/** Package changes shown to a person; `--json` has all of them. */
const SHOWN_PACKAGES = 20;

/** With more targets than this each of them is one line. */
const SHOWN_WHOLE = 3;

/** Names in one line. */
const SHOWN_UNCHANGED = 8;

/** The preview for a person, as several lines. */
export function previewText(preview: Preview, paint: Output["paint"]): string {
  const { parts } = preview;
  const dim = (name: string): string => paint("dim", name);
  const [only] = parts;
  const common = commonFields(parts);
  const last = [
    ...(common ?? []),
    ["prepared", preview.preparedAtS === undefined ? "" : dateText(preview.preparedAtS)],
    ["unchanged", unchangedText(preview.unchanged)],
    ["signed by", preview.signers.map(signerText).join(", ")],
  ] as const;
  if (parts.length === 1 && only !== undefined) {
    const fields = renderFields([...partFields(only), ...last], dim);
    return `${paint("bold", soleTitle(preview, only))}\n${indent(fields)}`;
  }
  // What differs from target to target is not folded away: it is signed too.
  const each =
    parts.length > SHOWN_WHOLE && common !== undefined
      ? partTable(parts, dim)
      : parts.map((part) => wholePart(part, common === undefined, dim)).join("\n");
  const title = `${preview.channel} ${stepText(preview.headRevision, preview.revision)}, ${countOf(parts.length, "target")}`;
  return [paint("bold", title), indent(each), indent(renderFields(last, dim))].join("\n");
}

function soleTitle({ channel, revision }: Preview, { content, changes }: PartPreview): string {
  const target = content.target === "" ? [] : [`(target ${content.target})`];
  const name = storePathName(content.storePath) ?? "";
  return [channel, ...target, stepText(changes.before?.revision, revision), name].join(" ");
}

function stepText(before: bigint | undefined, after: bigint): string {
  return before === undefined
    ? revisionText(after)
    : `${revisionText(before)} → ${revisionText(after)}`;
}

type Fields = readonly (readonly [name: string, value: string])[];

function wholePart(part: PartPreview, withContent: boolean, dim: (name: string) => string): string {
  const fields = [...partFields(part), ...(withContent ? contentFields(part.content) : [])];
  const title = `${targetText(part.content.target)}: ${storePathName(part.content.storePath) ?? ""}`;
  return `${title}\n${indent(renderFields(fields, dim))}`;
}

/** What differs from target to target. */
function partFields(part: PartPreview): Fields {
  return [
    ["path", part.content.storePath],
    ["packages", packageText(part)],
    ["closure", closureText(part)],
    ["download", downloadText(part.changes)],
    ["reboot", rebootText(part)],
  ];
}

/** What is mostly the same for all targets. */
function contentFields(content: Content): Fields {
  return [
    ["system", content.system],
    ["contents", content.closureDigest.length === 0 ? "not pinned" : "pinned by their hashes"],
    ["caches", content.substituters.join(", ")],
    ["fleet", content.fleet],
    ["expires", content.notAfterS === 0n ? "" : dateText(content.notAfterS)],
    ["leave", leaveText(content)],
    ["message", safeText(content.message)],
    ["source", safeText(content.sourceRevision)],
  ];
}

/** Undefined where they differ. */
function commonFields(parts: readonly PartPreview[]): Fields | undefined {
  const all = parts.map(({ content }) => contentFields(content));
  const [first] = all;
  const agree = all.every((fields) => JSON.stringify(fields) === JSON.stringify(first));
  return agree ? first : undefined;
}

/** Two lines a target: what is signed for it does not fit into one, and nothing of it is cut. */
function partTable(parts: readonly PartPreview[], dim: (name: string) => string): string {
  const table = renderTable(
    [
      { title: "TARGET" },
      { title: "BEFORE", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "DOWNLOAD", align: "right" },
      { title: "REBOOT" },
      { title: "PACKAGES" },
    ],
    parts.map(({ content, changes, rebootRequired }) => [
      targetText(content.target),
      revisionText(changes.before?.revision ?? 0n),
      byteText(content.closureBytes),
      changes.downloadBytes === undefined ? "?" : byteText(changes.downloadBytes),
      rebootRequired === undefined ? "?" : rebootRequired ? "yes" : "no",
      packageCounts(changes.packages),
    ]),
    { emphasise: dim },
  );
  const [titles = "", ...rows] = table.split("\n");
  const paths = parts.map(({ content }) => `  ${content.storePath}`);
  return [titles, ...rows.flatMap((row, index) => [row, paths[index] ?? ""])].join("\n");
}

/** Long lists are cut: these stay as they are. */
function unchangedText(unchanged: Preview["unchanged"]): string {
  if (unchanged.length === 0) return "";
  const shown = unchanged
    .slice(0, SHOWN_UNCHANGED)
    .map(({ target, revision }) => `${targetText(target)} (${revisionText(revision)})`);
  const more = unchanged.length - shown.length;
  const list = [...shown, ...(more > 0 ? [`${more} more`] : [])].join(", ");
  return `${list}: devices there have this content and stay`;
}

function targetText(target: string): string {
  return target === "" ? "(no target)" : target;
}

function leaveText({ leave }: Content): string {
  if (leave === undefined) return "";
  return [
    ...(leave.minAgentLevel > 1 ? [`only agents of level ${leave.minAgentLevel} or above`] : []),
    ...(leave.nextChannel === "" ? [] : [`devices may move to channel ${leave.nextChannel}`]),
    ...(leave.allowAgentRemoval ? ["a system without agent"] : []),
    ...(leave.allowKeyChange ? ["a system that trusts other keys"] : []),
  ].join(", ");
}

/**
 * The preview for a program. Where one target is all there is, its facts stand beside the revision
 * as well.
 */
export function previewDocument(preview: Preview) {
  const manifests = preview.parts.map(partDocument);
  return {
    channel: preview.channel,
    revision: Number(preview.revision),
    ...(manifests.length === 1 && preview.unchanged.length === 0 ? manifests[0] : {}),
    signedBy: preview.signers.map(({ name, publicKey }) => ({
      name,
      keyId: toHex(keyId(publicKey)),
    })),
    manifests,
    unchanged: preview.unchanged.map(({ target, revision, storePath }) => ({
      target,
      revision: Number(revision),
      storePath,
    })),
  };
}

function partDocument({ content, changes, pathCount, rebootRequired }: PartPreview) {
  return {
    target: content.target,
    fleet: content.fleet,
    storePath: content.storePath,
    system: content.system,
    substituters: content.substituters,
    closureBytes: Number(content.closureBytes),
    closureDigest: toHex(content.closureDigest),
    pathCount,
    notAfter: content.notAfterS === 0n ? null : dateText(content.notAfterS),
    message: content.message,
    sourceRevision: content.sourceRevision,
    changes: {
      beforeRevision: changes.before === undefined ? null : Number(changes.before.revision),
      beforeStorePath: changes.before?.storePath ?? null,
      packages: changes.packages ?? null,
      addedPaths: changes.addedPaths,
      removedPaths: changes.removedPaths,
      downloadBytes: changes.downloadBytes === undefined ? null : Number(changes.downloadBytes),
      rebootRequired: rebootRequired ?? null,
    },
  };
}

function packageText({ content, changes, pathCount }: PartPreview): string {
  const { before, packages } = changes;
  if (pathCount === 0 && content.closureDigest.length > 0)
    return "not known: the listing that it pins is not at hand";
  if (before === undefined) return "nothing before to compare with";
  if (packages === undefined)
    return pathCount === 0
      ? "cannot be compared: the contents are not pinned"
      : "cannot be compared: there is no listing that the head pins";
  if (packages.length === 0) return "the same versions";
  const lines = packages.slice(0, SHOWN_PACKAGES).map(changeText);
  const more = packages.length - lines.length;
  return [
    packageCounts(packages, "long"),
    ...lines,
    ...(more > 0 ? [`  and ${more} more (--json has all)`] : []),
  ].join("\n");
}

/** `2 changed, 1 added, 0 removed`, or short `~2 +1 -0`. */
function packageCounts(packages: Changes["packages"], form: "long" | "short" = "short"): string {
  if (packages === undefined) return "?";
  const count = (wanted: (one: PackageDifference) => boolean): number =>
    packages.filter(wanted).length;
  const added = count((one) => one.before.length === 0);
  const removed = count((one) => one.after.length === 0);
  const changed = packages.length - added - removed;
  return form === "long"
    ? `${changed} changed, ${added} added, ${removed} removed`
    : `~${changed} +${added} -${removed}`;
}

function changeText({ name, before, after }: PackageDifference): string {
  const versions = (list: readonly string[]): string =>
    list.map((version) => (version === "" ? "(no version)" : version)).join(", ");
  if (before.length === 0) return `+ ${name} ${versions(after)}`;
  if (after.length === 0) return `- ${name} ${versions(before)}`;
  return `  ${name} ${versions(before)} → ${versions(after)}`;
}

function closureText({ content, changes, pathCount }: PartPreview): string {
  const paths = pathCount === 0 ? "" : ` in ${countOf(pathCount, "path")}`;
  const size = `${byteText(content.closureBytes)}${paths}`;
  if (changes.before === undefined) return size;
  return `${size} (${byteChangeText(content.closureBytes - changes.before.closureBytes)})`;
}

function downloadText({ before, packages, addedPaths, downloadBytes }: Changes): string {
  if (downloadBytes === undefined) return "";
  const amount = `${byteText(downloadBytes)} in ${countOf(addedPaths, "path")}`;
  if (before === undefined || packages === undefined) return `${amount} at most`;
  return `${amount} for a device on ${revisionText(before.revision)}`;
}

function rebootText({ changes, rebootRequired }: PartPreview): string {
  if (rebootRequired === undefined)
    return changes.before === undefined ? "" : "not known: the system before is not in this store";
  return rebootRequired ? "needed: kernel, initrd or kernel parameters differ" : "not needed";
}

function signerText({ name, publicKey }: PublicKey): string {
  return `${name} (key id ${toHex(keyId(publicKey))})`;
}

/** A number that no calendar has stays one. */
function dateText(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s after 1970` : date.toISOString();
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
