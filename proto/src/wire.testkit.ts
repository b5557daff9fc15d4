import { BinaryWriter, type WireType } from "@bufbuild/protobuf/wire";
import { concatBytes } from "@noble/hashes/utils.js";

/** One field as it stands on the wire, with any wire type and any bytes. */
export function rawField(number: number, wireType: WireType, data: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, wireType).raw(data).finish();
}

/** A length-delimited field. */
export function bytesField(number: number, data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return rawField(number, 2, new BinaryWriter().bytes(bytes).finish());
}

/** A field with a number. */
export function numberField(number: number, value: number): Uint8Array {
  return rawField(number, 0, new BinaryWriter().uint32(value).finish());
}

/** Bytes one after another. */
export function joined(...parts: Uint8Array[]): Uint8Array {
  return concatBytes(...parts);
}
