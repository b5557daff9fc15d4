const encoder = new TextEncoder();

/**
 * DSSE v1 pre-authentication encoding: what is signed for a payload of a type.
 * The lengths in front keep type and payload from running into each other, so
 * a signature for one type is never one for another.
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = encoder.encode(payloadType);
  const head = encoder.encode(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `);
  const encoded = new Uint8Array(head.length + payload.length);
  encoded.set(head);
  encoded.set(payload, head.length);
  return encoded;
}
