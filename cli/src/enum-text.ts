import type { DescEnum } from "@bufbuild/protobuf";

/**
 * The name of an enum's value without its prefix, lower-case: `rolled_back`. Numbers of a later
 * version keep their number, unspecified is empty.
 */
export function enumText(schema: DescEnum, value: number): string {
  if (value === 0) return "";
  const known = schema.value[value];
  return known === undefined ? `unknown_${value}` : known.localName.toLowerCase();
}
