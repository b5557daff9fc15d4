import {
  keepSignaturesOf,
  MAX_SIGNATURES,
  decodeEnvelope,
  uniteSignatures,
} from "@nix-ota/proto/signed-manifest";

/**
 * The stored envelope with the signatures that a repeated publish brings under
 * the channel's keys. The same bytes when it brings none that are not there.
 *
 * Other signatures may have come with the first publish (a key that devices
 * pin and the channel does not know yet). They stay as long as there is room;
 * those of the channel's keys, at most 16, come first.
 */
export function uniteEnvelopes(
  stored: Uint8Array,
  brought: Uint8Array,
  channelKeys: readonly Uint8Array[],
): Uint8Array {
  const verified = keepSignaturesOf(brought, channelKeys);
  const missing = signaturesOf(verified).filter((one) => !signaturesOf(stored).includes(one));
  if (missing.length === 0) return stored;
  const roomy = signaturesOf(stored).length + missing.length <= MAX_SIGNATURES;
  return uniteSignatures(roomy ? stored : keepSignaturesOf(stored, channelKeys), verified);
}

function signaturesOf(envelope: Uint8Array): string[] {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) return [];
  return decoded.envelope.signatures.map(({ signature }) => Buffer.from(signature).toString("hex"));
}
