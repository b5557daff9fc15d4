import { create, toBinary } from "@bufbuild/protobuf";

import {
  ManifestSchema,
  SignatureSchema,
  SignedManifestSchema,
  type Manifest,
  type Signature,
  type SignedManifest,
} from "../gen/nixota/v1/manifest_pb.ts";
import { compareBytes, sameBytes } from "./bytes.ts";
import { ContractError } from "./contract-error.ts";
import { SIGNATURE_BYTES, publicKeyOf, signEd25519, verifyEd25519 } from "./ed25519.ts";
import { KEY_ID_BYTES, keyId } from "./key-file.ts";
import { preAuthEncoding } from "./pae.ts";
import { strictParse } from "./strict-parse.ts";

/** Payload type of manifests; part of what is signed. */
export const MANIFEST_TYPE = "application/vnd.nix-ota.manifest.v1+protobuf";
/** Most bytes of an encoded envelope. */
export const MAX_ENVELOPE_BYTES = 24 * 1024;
/** Most bytes of a payload. */
export const MAX_PAYLOAD_BYTES = 16 * 1024;
/** Most signatures of an envelope. */
export const MAX_SIGNATURES = 16;

/** An envelope, or why there is none in the bytes. */
export type DecodedEnvelope =
  | { readonly ok: true; readonly envelope: SignedManifest }
  | { readonly ok: false; readonly code: "TOO_LARGE" | "MALFORMED"; readonly message: string };

/**
 * Encodes a manifest, once, and signs it: the envelope's bytes. The manifest's
 * values are not judged; open the result to know whether a gate takes it.
 *
 * @param seeds 1 to 16 private seeds of 32 bytes; the same one twice signs once.
 * @throws {ContractError} kind `seed`, `signatures` or `too-large`.
 */
export function signManifest(manifest: Manifest, seeds: readonly Uint8Array[]): Uint8Array {
  return signPayload(toBinary(ManifestSchema, manifest), seeds);
}

/**
 * Signs a payload as it is: the envelope's bytes. For payloads that another
 * machine prepared; whoever signs opens the result and shows it first.
 *
 * @throws {ContractError} as `signManifest`.
 */
export function signPayload(payload: Uint8Array, seeds: readonly Uint8Array[]): Uint8Array {
  const signed = preAuthEncoding(MANIFEST_TYPE, payload);
  return sealPayload(
    payload,
    seeds.map((seed) => signatureOf(signed, seed)),
  );
}

/**
 * The envelope of a payload as it is and of signatures that were made elsewhere,
 * e.g. by a hardware token, of which none is verified here.
 *
 * @throws {ContractError} kind `signatures` or `too-large`.
 */
export function sealPayload(
  payload: Uint8Array,
  signatures: readonly Pick<Signature, "keyId" | "signature">[],
): Uint8Array {
  return encode({ payload, signatures });
}

/**
 * The envelope with one more signature. A seed that signed already changes
 * nothing.
 *
 * @throws {ContractError} kind `envelope`, `seed`, `signatures` or `too-large`.
 */
export function addSignature(envelopeBytes: Uint8Array, seed: Uint8Array): Uint8Array {
  const { payload, signatures } = ofManifest(envelopeBytes);
  const added = signatureOf(preAuthEncoding(MANIFEST_TYPE, payload), seed);
  return encode({ payload, signatures: [...signatures, added] });
}

/**
 * One envelope with the signatures of two whose payloads are equal, in an
 * order that does not depend on which came first. Signatures are not verified:
 * apply `keepSignaturesOf` where strangers could have put some in.
 *
 * @throws {ContractError} kind `envelope` when one cannot be read or the
 * payloads differ, `signatures` when together they have over 16, `too-large`.
 */
export function uniteSignatures(a: Uint8Array, b: Uint8Array): Uint8Array {
  const [left, right] = [ofManifest(a), ofManifest(b)];
  if (!sameBytes(left.payload, right.payload)) {
    throw new ContractError("envelope", "the payloads of the two envelopes differ");
  }
  return encode({
    payload: left.payload,
    signatures: [...left.signatures, ...right.signatures],
  });
}

/**
 * The envelope with nothing but one verifying signature for each of the keys
 * that signed it. Keeps a stranger from filling the 16 places.
 *
 * @throws {ContractError} kind `envelope` when it cannot be read, `signatures`
 * when none of the keys signed.
 */
export function keepSignaturesOf(
  envelopeBytes: Uint8Array,
  publicKeys: readonly Uint8Array[],
): Uint8Array {
  const { payload, signatures } = ofManifest(envelopeBytes);
  const signed = preAuthEncoding(MANIFEST_TYPE, payload);
  const kept = publicKeys.flatMap((publicKey) => {
    const found = signatures.find(({ signature }) => verifyEd25519(publicKey, signed, signature));
    if (found === undefined) return [];
    return [{ keyId: keyId(publicKey), signature: found.signature }];
  });
  return encode({ payload, signatures: kept });
}

/**
 * Reads an envelope of which only one encoding is accepted: three fields and
 * no other, 1 to 16 signatures of 64 bytes with key ids of 16. Sizes are judged
 * before anything is decoded. The result shares no memory with the argument.
 */
export function decodeEnvelope(envelopeBytes: Uint8Array): DecodedEnvelope {
  if (envelopeBytes.length > MAX_ENVELOPE_BYTES) {
    return tooLarge(`the envelope has ${envelopeBytes.length} bytes, over ${MAX_ENVELOPE_BYTES}`);
  }
  const parsed = strictParse(SignedManifestSchema, Uint8Array.from(envelopeBytes), "none");
  if (!parsed.ok) return malformed(parsed.why);
  const envelope = parsed.message;
  if (envelope.payload.length > MAX_PAYLOAD_BYTES) {
    return tooLarge(`the payload has ${envelope.payload.length} bytes, over ${MAX_PAYLOAD_BYTES}`);
  }
  const count = envelope.signatures.length;
  if (count === 0) return malformed("the envelope carries no signature");
  if (count > MAX_SIGNATURES) {
    return malformed(`the envelope carries ${count} signatures, over ${MAX_SIGNATURES}`);
  }
  for (const { keyId, signature } of envelope.signatures) {
    if (signature.length !== SIGNATURE_BYTES) {
      return malformed(`a signature has ${signature.length} bytes, not ${SIGNATURE_BYTES}`);
    }
    if (keyId.length !== KEY_ID_BYTES) {
      return malformed(`a key id has ${keyId.length} bytes, not ${KEY_ID_BYTES}`);
    }
  }
  return { ok: true, envelope };
}

function tooLarge(message: string): DecodedEnvelope {
  return { ok: false, code: "TOO_LARGE", message };
}

function malformed(message: string): DecodedEnvelope {
  return { ok: false, code: "MALFORMED", message };
}

function ofManifest(envelopeBytes: Uint8Array): SignedManifest {
  const decoded = decodeEnvelope(envelopeBytes);
  if (!decoded.ok) throw new ContractError("envelope", decoded.message);
  if (decoded.envelope.payloadType !== MANIFEST_TYPE) {
    throw new ContractError("envelope", "the envelope holds something else than a manifest");
  }
  return decoded.envelope;
}

function signatureOf(signed: Uint8Array, seed: Uint8Array): Signature {
  return create(SignatureSchema, {
    signature: signEd25519(signed, seed),
    keyId: keyId(publicKeyOf(seed)),
  });
}

function encode(content: {
  payload: Uint8Array;
  signatures: readonly Pick<Signature, "keyId" | "signature">[];
}): Uint8Array {
  const { payload } = content;
  const signatures = content.signatures
    .toSorted((a, b) => compareBytes(a.keyId, b.keyId) || compareBytes(a.signature, b.signature))
    .filter((one, index, all) => {
      const before = all[index - 1];
      return before === undefined || !sameSignature(one, before);
    });
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) {
    throw new ContractError(
      "signatures",
      `an envelope carries 1 to ${MAX_SIGNATURES} signatures, not ${signatures.length}`,
    );
  }
  if (payload.length > MAX_PAYLOAD_BYTES) {
    throw new ContractError(
      "too-large",
      `the payload has ${payload.length} bytes, over ${MAX_PAYLOAD_BYTES}`,
    );
  }
  return toBinary(
    SignedManifestSchema,
    create(SignedManifestSchema, {
      payload,
      payloadType: MANIFEST_TYPE,
      signatures: signatures.map((one) => create(SignatureSchema, one)),
    }),
  );
}

function sameSignature(
  a: Pick<Signature, "keyId" | "signature">,
  b: Pick<Signature, "keyId" | "signature">,
): boolean {
  return sameBytes(a.keyId, b.keyId) && sameBytes(a.signature, b.signature);
}
