import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";

import { sameBytes } from "./bytes.ts";

/** Which unknown fields may stand in a message: those from a number on, or none. */
export type UnknownFields = { readonly toleratedFrom: number } | "none";

/** The message, or the sentence that says what is wrong with its bytes. */
export type Parsed<T> =
  | { readonly ok: true; readonly message: T }
  | { readonly ok: false; readonly why: string };

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/**
 * Reads a message of which only one encoding is accepted. Protobuf lets many
 * byte strings mean the same message and lets parsers disagree about some, so a
 * signature over bytes is worth something only if every reader sees the same in
 * them. Accepted is what writing the message again gives byte for byte: fields
 * ascending, each once, shortest varints, no defaults written out, valid UTF-8,
 * nothing after the end.
 *
 * Writing puts unknown fields behind the known ones, which keeps the order
 * because their numbers are above every known one.
 */
export function strictParse<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
  unknownFields: UnknownFields,
): Parsed<MessageShape<D>> {
  let message: MessageShape<D>;
  let again: Uint8Array;
  try {
    message = fromBinary(schema, bytes);
    again = toBinary(schema, message);
  } catch {
    // The library's messages vary with its version and add nothing to act on.
    return { ok: false, why: `the bytes are no ${schema.typeName}` };
  }
  const unknown = unwantedField(schema, message, unknownFields);
  if (unknown !== undefined) return { ok: false, why: unknown };
  if (!sameBytes(again, bytes)) {
    return { ok: false, why: `the bytes are not the one strict encoding of ${schema.typeName}` };
  }
  return { ok: true, message };
}

function unwantedField(
  schema: DescMessage,
  message: Message,
  rule: UnknownFields,
): string | undefined {
  let last = 0;
  for (const { no, wireType, data } of message.$unknown ?? []) {
    if (rule === "none" || no < rule.toleratedFrom) {
      return `field ${no} of ${schema.typeName} is unknown to this verifier; a later version may know it`;
    }
    // What a later reader would refuse is refused here too, as far as it can
    // be told without knowing the field.
    if (no < last || !isStrictValue(wireType, data)) {
      return `field ${no} of ${schema.typeName} is not strictly encoded`;
    }
    last = no;
  }
  for (const child of children(schema, message)) {
    const unwanted = unwantedField(child.schema, child.message, "none");
    if (unwanted !== undefined) return unwanted;
  }
  return undefined;
}

/** Groups, the wire types left out here, stand in no message of the contract. */
function isStrictValue(wireType: number, data: Uint8Array): boolean {
  switch (wireType) {
    case VARINT:
      return isShortest(data);
    case LENGTH_DELIMITED:
      return isShortest(data.subarray(0, data.findIndex((byte) => byte < 0x80) + 1));
    default:
      return wireType === FIXED64 || wireType === FIXED32;
  }
}

/** Nine bytes carry 63 bits, so the tenth of a 64-bit number is 1. */
function isShortest(varint: Uint8Array): boolean {
  if (varint.length === 1) return true;
  return varint.length < 10 ? varint.at(-1) !== 0 : varint.length === 10 && varint[9] === 1;
}

function* children(
  schema: DescMessage,
  message: Message,
): Generator<{ schema: DescMessage; message: Message }> {
  for (const field of schema.fields) {
    const value = (message as unknown as Record<string, unknown>)[field.localName];
    if (field.fieldKind === "message" && value !== undefined) {
      yield { schema: field.message, message: value as Message };
    }
    if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of value as Message[]) yield { schema: field.message, message: item };
    }
  }
}
