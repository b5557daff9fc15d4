import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A message's JSON with the values of its enumerations as words: `rolled_back` for `OUTCOME_ROLLED_BACK`. */
export function inWords(message: DescMessage, json: unknown): unknown {
  return mapped(message, json as Json, (type, value) => {
    const prefix = type.sharedPrefix ?? "";
    const name = value.toUpperCase();
    return name.startsWith(prefix.toUpperCase()) ? name.slice(prefix.length).toLowerCase() : value;
  });
}

/** The other way round; what is no word of the enumeration stays, for the contract to refuse. */
export function fromWords(message: DescMessage, json: unknown): unknown {
  return mapped(message, json as Json, (type, value) => {
    const name = `${type.sharedPrefix ?? ""}${value}`.toUpperCase();
    return type.values.some((one) => one.name === name) ? name : value;
  });
}

function mapped(
  message: DescMessage,
  json: Json,
  change: (type: DescEnum, value: string) => string,
): Json {
  if (json === null || typeof json !== "object" || Array.isArray(json)) return json;
  const fields = new Map(
    message.fields.flatMap((field) => [
      [field.name, field] as const,
      [field.jsonName, field] as const,
    ]),
  );
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      const field = fields.get(name);
      if (field === undefined) return [name, value];
      const each = (one: Json) => mappedValue(field, one, change);
      return [name, Array.isArray(value) ? value.map(each) : each(value)];
    }),
  );
}

function mappedValue(
  field: DescField,
  value: Json,
  change: (type: DescEnum, value: string) => string,
): Json {
  if (field.enum !== undefined)
    return typeof value === "string" ? change(field.enum, value) : value;
  // Well-known types have a form of their own, without enumerations in it.
  if (field.message === undefined || field.message.typeName.startsWith("google.")) return value;
  return mapped(field.message, value, change);
}
