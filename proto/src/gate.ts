import { ManifestSchema, type Manifest } from "../gen/nixota/v1/manifest_pb.ts";
import { CLAIM_CHECKS } from "./claim-checks.ts";
import { sha256 } from "./hash.ts";
import { UNCHECKED, type ClaimPolicy, type Policy } from "./policy.ts";
import { quoted } from "./quoted.ts";
import type { RejectCodeName } from "./reject-code.ts";
import { verifiedKeys } from "./signatures.ts";
import { MANIFEST_TYPE, decodeEnvelope } from "./signed-manifest.ts";
import { strictParse } from "./strict-parse.ts";

export { UNCHECKED } from "./policy.ts";
export type { ManifestRef, Policy } from "./policy.ts";
export type { RejectCodeName } from "./reject-code.ts";

/** What the gate says of an envelope. */
export type Verdict =
  | {
      readonly ok: true;
      readonly manifest: Manifest;
      /** The exact bytes that were signed. */
      readonly payload: Uint8Array;
      readonly payloadSha256: Uint8Array;
      /** The pinned keys that signed, each once, in the policy's order. */
      readonly signedBy: readonly Uint8Array[];
      /** Whether it is the floor's own manifest: work on it is taken up again. */
      readonly resumed: boolean;
    }
  | Refusal;

/** What the gate says of a payload alone. */
export type PayloadVerdict =
  | { readonly ok: true; readonly manifest: Manifest; readonly payloadSha256: Uint8Array }
  | Refusal;

interface Refusal {
  readonly ok: false;
  readonly code: RejectCodeName;
  /** One sentence with the values that differ; safe to print. */
  readonly message: string;
}

/**
 * Judges an envelope. The checks stand in one order and the first that fails
 * decides: what a stranger can send is sized, read and authenticated before
 * any claim in it is looked at. Never throws, whatever the bytes.
 */
export function openManifest(envelopeBytes: Uint8Array, policy: Policy): Verdict {
  // Endless data, malformed envelopes: sizes first, then one strict encoding.
  const decoded = decodeEnvelope(envelopeBytes);
  if (!decoded.ok) return refusal(decoded.code, decoded.message);
  const { payload, payloadType, signatures } = decoded.envelope;

  // A signature for something else, e.g. a device's proof of who it is.
  if (payloadType !== MANIFEST_TYPE) {
    return refusal("UNKNOWN_TYPE", `payload type ${quoted(payloadType)} is not ${MANIFEST_TYPE}`);
  }

  // Arbitrary software: a pinned key must have signed these very bytes.
  const signedBy = verifiedKeys(payload, signatures, policy.publicKeys);
  if (signedBy.length === 0) {
    return refusal("BAD_SIGNATURE", "no signature of the manifest verifies under a pinned key");
  }

  // Compromise of one key: so many distinct ones, however many signatures.
  if (!(signedBy.length >= policy.threshold)) {
    return refusal(
      "THRESHOLD",
      `${signedBy.length} of the pinned keys signed the manifest, ${policy.threshold} have to`,
    );
  }

  const judged = judgePayload(payload, policy);
  if (!judged.ok) return judged;
  const { floor } = policy;
  const resumed = floor !== UNCHECKED && floor.revision === judged.manifest.revision;
  return { ...judged, payload, signedBy, resumed };
}

/**
 * Judges what a payload claims: the part of the gate behind the signatures. Nobody vouches for the
 * bytes here, so it is only for a payload that is known to be authentic by other means. Never throws.
 */
export function judgePayload(payload: Uint8Array, policy: ClaimPolicy): PayloadVerdict {
  // Unknown critical fields are MALFORMED and not UNSUPPORTED, also under a
  // later schema: the strict parse comes first, and the number of a schema in
  // a message that was not understood as a whole is nothing to go by.
  const parsed = strictParse(ManifestSchema, payload, { toleratedFrom: FIRST_ADVISORY_FIELD });
  if (!parsed.ok) return refusal("MALFORMED", parsed.why);

  const payloadSha256 = sha256(payload);
  const claim = { manifest: parsed.message, payloadSha256 };
  for (const { code, check } of CLAIM_CHECKS) {
    const problem = check(claim, policy);
    if (problem !== undefined) return refusal(code, problem);
  }
  return { ok: true, ...claim };
}

/** Fields from this number on advise; an unknown one changes no decision. */
const FIRST_ADVISORY_FIELD = 64;

function refusal(code: RejectCodeName, message: string): Refusal {
  return { ok: false, code, message };
}
