import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";

/** Text that means something to a shell, a database, a terminal, a page, a path or a URL. */
export const ODD_TEXTS: readonly string[] = [
  "",
  "\0",
  "a\0b",
  "'; drop table device; --",
  "$(reboot)`reboot`",
  "../../../../etc/passwd",
  "%00%2e%2e%2f",
  "<script>alert(1)</script>",
  "=cmd|' /C calc'!A0",
  "\u001b[2J\u0007",
  "\u202egnp.exe",
  "{{constructor}}${7*7}",
  "\r\nset-cookie: a=b",
  "\\",
  "%",
  "_",
  "*",
  "-",
  "channel:",
  "-channel:prod id:* seen:1d",
  "\u{1f9ca}\u0301",
  "x".repeat(2_000),
  "9".repeat(40),
  "NaN",
];

/** What the rules of the contract let pass, so that handlers and statements are reached. */
const PLAIN_TEXTS: readonly string[] = ["prod", "gw-1", "nothing-there", "read", "a".repeat(32)];

const INTEGERS = [0n, 1n, 2n, 255n, 2n ** 31n - 1n, 2n ** 53n - 1n, 2n ** 63n - 1n] as const;
const DEEPEST = 4;

/** Any message of the type, odd in every field. */
export function oddMessage(schema: DescMessage, depth = 0): fc.Arbitrary<Message> {
  const fields = schema.fields.map((field) => fieldValue(field, depth));
  return fc.tuple(...fields).map((values) => {
    const message: ReflectMessage = reflect(schema);
    for (const [index, field] of schema.fields.entries()) {
      const value = values[index];
      if (value !== undefined) setField(message, field, value);
    }
    return message.message;
  });
}

function setField(message: ReflectMessage, field: DescField, value: unknown): void {
  if (field.fieldKind === "list") {
    const list = message.get(field);
    for (const item of value as unknown[]) list.add(asItem(field.message, item));
    return;
  }
  message.set(field, asItem(field.message, value));
}

function asItem(schema: DescMessage | undefined, value: unknown): unknown {
  return schema === undefined ? value : reflect(schema, value as Message);
}

/** Undefined: the field is not set. */
function fieldValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const present = { nil: undefined, freq: depth === 0 ? 6 : 2 };
  switch (field.fieldKind) {
    case "list":
      return fc.option(fc.array(itemValue(field, depth), { maxLength: 3 }), present);
    case "map":
      return fc.constant(undefined);
    default:
      return fc.option(itemValue(field, depth), present);
  }
}

function itemValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) {
    return depth < DEEPEST
      ? oddMessage(field.message, depth + 1)
      : fc.constant(create(field.message));
  }
  if (field.enum !== undefined) return enumValue(field.enum);
  return scalarValue(field.scalar ?? ScalarType.STRING);
}

function enumValue({ values, open }: DescEnum): fc.Arbitrary<number> {
  const known = values.map(({ number }) => number);
  return fc.constantFrom(...known, ...(open ? [99, -1, 2 ** 31 - 1] : []));
}

function scalarValue(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(...PLAIN_TEXTS) },
        { weight: 1, arbitrary: fc.constantFrom(...ODD_TEXTS) },
      );
    case ScalarType.BYTES:
      return fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
      );
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31));
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.constantFrom(0, 1, 2, 50, 2 ** 32 - 1);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.constantFrom(...INTEGERS, 2n ** 64n - 1n);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return fc.constantFrom(...INTEGERS, -1n, -(2n ** 63n));
    default:
      return fc.double();
  }
}
