import { UNCHECKED, type Policy, type RejectCodeName, type Verdict } from "@nix-ota/proto";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";

/** What became of a check: `skipped` when it was not asked for, `unreached` after a failure. */
export type CheckOutcome = "passed" | "failed" | "skipped" | "unreached";

/** One of the gate's checks. */
export interface CheckReport {
  name: string;
  outcome: CheckOutcome;
  /** What was asked, or why it failed. */
  detail: string;
}

interface Check {
  name: string;
  codes: readonly RejectCodeName[];
  /** What is compared; undefined: not asked for. */
  asked: (policy: Policy) => string | undefined;
}

const always = (detail: string) => (): string => detail;
const compared = (field: "fleet" | "channel" | "target" | "system") => (policy: Policy) => {
  const wanted = policy[field];
  if (wanted === UNCHECKED) return undefined;
  return wanted === "" ? "none" : wanted;
};

/** The gate's checks in its order, as a person would list them. */
const CHECKS: readonly Check[] = [
  { name: "size", codes: ["TOO_LARGE"], asked: always("at most 24 KiB") },
  { name: "envelope", codes: ["MALFORMED"], asked: always("one strict encoding") },
  { name: "payload type", codes: ["UNKNOWN_TYPE"], asked: always("a manifest") },
  {
    name: "signature",
    codes: ["BAD_SIGNATURE"],
    asked: ({ publicKeys }) => `under ${publicKeys.length} given`,
  },
  {
    name: "threshold",
    codes: ["THRESHOLD"],
    asked: ({ threshold }) => `${threshold} distinct`,
  },
  { name: "manifest", codes: ["MALFORMED"], asked: always("no unknown critical field") },
  {
    name: "schema and level",
    codes: ["UNSUPPORTED"],
    asked: ({ agentLevel }) =>
      agentLevel === UNCHECKED ? "schema 1" : `schema 1, agent level ${agentLevel}`,
  },
  { name: "fleet", codes: ["WRONG_FLEET"], asked: compared("fleet") },
  { name: "channel", codes: ["WRONG_CHANNEL"], asked: compared("channel") },
  { name: "system", codes: ["WRONG_SYSTEM"], asked: compared("system") },
  { name: "target", codes: ["WRONG_TARGET"], asked: compared("target") },
  { name: "store path", codes: ["BAD_PATH"], asked: always("the form of one") },
  { name: "caches", codes: ["BAD_SUBSTITUTER"], asked: always("plain URLs") },
  {
    name: "expiry",
    codes: ["EXPIRED"],
    asked: ({ trustedTimeS }) =>
      trustedTimeS === UNCHECKED
        ? undefined
        : `at ${new Date(Number(trustedTimeS) * 1000).toISOString()}`,
  },
  {
    name: "floor",
    codes: ["REPLAY", "EQUIVOCATION", "FAST_FORWARD"],
    asked: ({ floor }) => (floor === UNCHECKED ? undefined : `r${floor.revision}`),
  },
  {
    name: "quarantine",
    codes: ["QUARANTINED"],
    asked: ({ quarantine }) =>
      quarantine === UNCHECKED ? undefined : `${quarantine.length} known`,
  },
];

/** What the gate made of each check. */
export function gateReport(
  envelope: Uint8Array,
  policy: Policy,
  verdict: Verdict,
): readonly CheckReport[] {
  const failedAt = verdict.ok ? CHECKS.length : failedIndex(envelope, verdict.code);
  return CHECKS.map(({ name, asked }, index) => {
    if (!verdict.ok && index === failedAt)
      return { name, outcome: "failed", detail: verdict.message };
    if (index > failedAt) return { name, outcome: "unreached", detail: "" };
    const detail = asked(policy);
    return detail === undefined
      ? { name, outcome: "skipped", detail: "" }
      : { name, outcome: "passed", detail };
  });
}

/** MALFORMED is said of the envelope, and of the manifest once a key has signed it. */
function failedIndex(envelope: Uint8Array, code: RejectCodeName): number {
  const find = code === "MALFORMED" && decodeEnvelope(envelope).ok ? "findLastIndex" : "findIndex";
  return CHECKS[find](({ codes }) => codes.includes(code));
}
