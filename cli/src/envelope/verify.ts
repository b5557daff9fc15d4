import { UNCHECKED, openManifest, type Policy, type Verdict } from "@nix-ota/proto";
import { AGENT_LEVEL } from "@nix-ota/proto/agent-level";
import { sameBytes } from "@nix-ota/proto/bytes";
import { toHex } from "@nix-ota/proto/hash";
import { keyId, type PublicKey } from "@nix-ota/proto/key-file";

import { CliError } from "../cli-error.ts";
import type { Output } from "../output.ts";
import { renderFields, renderTable } from "../table.ts";
import { gateReport, type CheckOutcome, type CheckReport } from "./gate-report.ts";
import { manifestDocument, manifestFields } from "./manifest-document.ts";

/** What a device is told to demand; undefined fields are not compared. */
export interface Demands {
  publicKeys: readonly PublicKey[];
  threshold: number;
  fleet: string | undefined;
  channel: string | undefined;
  target: string | undefined;
  system: string | undefined;
  /** The one that the server was asked for. */
  revision: bigint | undefined;
}

const MARK: Record<CheckOutcome, { sign: string; colour: "green" | "red" | "dim" }> = {
  passed: { sign: "ok", colour: "green" },
  failed: { sign: "failed", colour: "red" },
  skipped: { sign: "not asked", colour: "dim" },
  unreached: { sign: "not reached", colour: "dim" },
};

/**
 * Puts an envelope before the gate that devices have and prints what each check says.
 *
 * @throws {CliError} `rejected` after printing, when one of them fails.
 */
export function verifyEnvelope(
  envelope: Uint8Array,
  demands: Demands,
  nowMs: number,
  output: Output,
): void {
  const { document, text, problem } = judgeEnvelope(envelope, demands, nowMs, output);
  output.result(document, text);
  if (problem !== undefined) throw new CliError("rejected", problem);
}

/**
 * The same without a word about what holds.
 *
 * @throws {CliError} `rejected` when a check fails.
 */
export function expectVerified(envelope: Uint8Array, demands: Demands, nowMs: number): void {
  const opened = openManifest(envelope, policyOf(demands, nowMs));
  if (!opened.ok) throw new CliError("rejected", `${opened.code}: ${opened.message}`);
}

/**
 * The same for all envelopes of a release: one document with `manifests`, each as an envelope alone
 * has it.
 */
export function verifyEnvelopes(
  envelopes: readonly { target: string; envelope: Uint8Array }[],
  demands: Demands,
  nowMs: number,
  output: Output,
): void {
  const judged = envelopes.map(({ target, envelope }) => ({
    target,
    ...judgeEnvelope(envelope, demands, nowMs, output),
  }));
  const manifests = judged.map(({ target, document }) => ({ target, ...document }));
  output.result({ verified: manifests.every(({ verified }) => verified), manifests }, () =>
    judged
      .map(({ target, text }) => `${output.paint("bold", `target ${target || "-"}`)}\n${text()}`)
      .join("\n\n"),
  );
  const failed = judged.find(({ problem }) => problem !== undefined);
  if (failed !== undefined)
    throw new CliError("rejected", `target ${failed.target || "-"}: ${failed.problem}`);
}

function judgeEnvelope(envelope: Uint8Array, demands: Demands, nowMs: number, output: Output) {
  const policy = policyOf(demands, nowMs);
  const opened = openManifest(envelope, policy);
  const report = [...gateReport(envelope, policy, opened), ...revisionReport(opened, demands)];
  const verdict = expectRevision(opened, demands);
  return {
    document: { ...verdictDocument(verdict, demands), checks: report },
    text: () => reportText(report, verdict, demands, output),
    problem: verdict.ok ? undefined : `${verdict.code}: ${verdict.message}`,
  };
}

function verdictDocument(verdict: Judgement, demands: Demands) {
  if (!verdict.ok)
    return {
      verified: false,
      code: verdict.code,
      message: verdict.message,
      signedBy: [],
      payloadSha256: null,
      manifest: null,
    };
  return {
    verified: true,
    code: null,
    message: null,
    signedBy: signers(verdict.signedBy, demands).map(({ name, publicKey }) => ({
      name,
      keyId: toHex(keyId(publicKey)),
    })),
    payloadSha256: toHex(verdict.payloadSha256),
    manifest: manifestDocument(verdict.manifest),
  };
}

function policyOf(demands: Demands, nowMs: number): Policy {
  return {
    publicKeys: demands.publicKeys.map(({ publicKey }) => publicKey),
    threshold: demands.threshold,
    fleet: demands.fleet ?? UNCHECKED,
    channel: demands.channel ?? UNCHECKED,
    target: demands.target ?? UNCHECKED,
    system: demands.system ?? UNCHECKED,
    agentLevel: AGENT_LEVEL,
    // Which caches are allowed, what was verified before and what failed, only the device knows.
    substituters: UNCHECKED,
    trustedTimeS: BigInt(Math.trunc(nowMs / 1000)),
    floor: UNCHECKED,
    quarantine: UNCHECKED,
  };
}

type Judgement =
  | Verdict
  | { readonly ok: false; readonly code: "OTHER_REVISION"; readonly message: string };

/** A server asked for one revision can answer with a good envelope of another. */
function expectRevision(verdict: Verdict, { revision }: Demands): Judgement {
  if (!verdict.ok || revision === undefined || verdict.manifest.revision === revision)
    return verdict;
  const message = `the server answered with r${verdict.manifest.revision} when asked for r${revision}`;
  return { ok: false, code: "OTHER_REVISION", message };
}

function revisionReport(verdict: Verdict, demands: Demands): CheckReport[] {
  if (!verdict.ok || demands.revision === undefined) return [];
  const judgement = expectRevision(verdict, demands);
  return [
    judgement.ok
      ? { name: "revision", outcome: "passed", detail: `r${demands.revision}` }
      : { name: "revision", outcome: "failed", detail: judgement.message },
  ];
}

function reportText(
  report: readonly CheckReport[],
  verdict: Judgement,
  demands: Demands,
  output: Output,
): string {
  const checks = renderTable(
    [{ title: "CHECK" }, { title: "RESULT" }, { title: "DETAIL" }],
    report.map(({ name, outcome, detail }) => {
      const { sign, colour } = MARK[outcome];
      return [name, output.paint(colour, sign), detail];
    }),
    output.tableStyle(),
  );
  if (!verdict.ok) return checks;
  const by = signers(verdict.signedBy, demands).map(({ name }) => name || "a key without name");
  const fields = renderFields(
    [["signed by", by.join(", ")], ...manifestFields(verdict.manifest)],
    (name) => output.paint("dim", name),
  );
  return `${checks}\n\n${fields}`;
}

function signers(signedBy: readonly Uint8Array[], { publicKeys }: Demands): readonly PublicKey[] {
  return publicKeys.filter((key) => signedBy.some((signer) => sameBytes(signer, key.publicKey)));
}
