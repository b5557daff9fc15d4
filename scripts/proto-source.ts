import { isFieldSet } from "@bufbuild/protobuf";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

const LARGEST_FIELD_NUMBER = 536_870_911;
const LARGEST_ENUM_NUMBER = 2_147_483_647;

/**
 * The source text of a proto2 file, written from its descriptor.
 *
 * Declarations, numbers, labels, defaults and reserved ranges are complete. Comments and custom
 * options are not in the text: a descriptor has no comments, and the custom options of a schema
 * matter to the runtime that ships it, not to files that import it.
 *
 * @throws Error for a file of another syntax, and for groups, whose text would differ.
 */
export function protoSource(file: FileDescriptorProto): string {
  const syntax = file.syntax === "" ? "proto2" : file.syntax;
  if (syntax !== "proto2")
    throw new Error(`${file.name} is ${syntax}: only proto2 can be written as source`);
  const lines = [
    `syntax = "proto2";`,
    `package ${file.package};`,
    ...file.dependency.map((path) => `import "${path}";`),
    ...extensions(file.extension),
    ...file.messageType.flatMap(message),
    ...file.enumType.flatMap(enumeration),
  ];
  return `${lines.join("\n")}\n`;
}

function message(type: DescriptorProto): string[] {
  const entries = new Map(
    type.nestedType
      .filter((nested) => nested.options?.mapEntry)
      .map((nested) => [nested.name, nested]),
  );
  const declared = (field: FieldDescriptorProto): string => {
    const entry = entries.get(field.typeName.slice(field.typeName.lastIndexOf(".") + 1));
    return entry === undefined ? fieldLine(field) : mapLine(field, entry);
  };
  return block(`message ${type.name}`, [
    ...reserved(type.reservedRange, LARGEST_FIELD_NUMBER),
    ...type.reservedName.map((name) => `reserved "${name}";`),
    // The end of a message's range is exclusive in a descriptor, inclusive in source.
    ...type.extensionRange.map(
      (r) => `extensions ${span(r.start, r.end - 1, LARGEST_FIELD_NUMBER)};`,
    ),
    ...type.field.filter((field) => !inOneof(field)).map(declared),
    ...type.oneofDecl.flatMap((oneof, index) =>
      block(
        `oneof ${oneof.name}`,
        type.field.filter((field) => inOneof(field) && field.oneofIndex === index).map(declared),
      ),
    ),
    ...type.enumType.flatMap(enumeration),
    ...type.nestedType.filter((nested) => !entries.has(nested.name)).flatMap(message),
    ...extensions(type.extension),
  ]);
}

function enumeration(type: EnumDescriptorProto): string[] {
  return block(`enum ${type.name}`, [
    ...(type.options?.allowAlias ? ["option allow_alias = true;"] : []),
    // Unlike a message's, the end of an enum's range is inclusive.
    ...type.reservedRange.map((r) => `reserved ${span(r.start, r.end, LARGEST_ENUM_NUMBER)};`),
    ...type.reservedName.map((name) => `reserved "${name}";`),
    ...type.value.map((value) => `${value.name} = ${value.number};`),
  ]);
}

function extensions(fields: FieldDescriptorProto[]): string[] {
  return fields.flatMap((field) => block(`extend ${field.extendee}`, [fieldLine(field)]));
}

function fieldLine(field: FieldDescriptorProto): string {
  const label = inOneof(field) ? "" : labelOf(field);
  const options = [
    ...(field.options?.packed ? ["packed = true"] : []),
    ...(field.options?.deprecated ? ["deprecated = true"] : []),
    ...(field.defaultValue === "" ? [] : [`default = ${defaultOf(field)}`]),
  ];
  const suffix = options.length === 0 ? "" : ` [${options.join(", ")}]`;
  return `${label}${typeOf(field)} ${field.name} = ${field.number}${suffix};`;
}

function mapLine(field: FieldDescriptorProto, entry: DescriptorProto): string {
  const [key, value] = entry.field;
  if (key === undefined || value === undefined)
    throw new Error(`map ${field.name} has no key or no value in its descriptor`);
  return `map<${typeOf(key)}, ${typeOf(value)}> ${field.name} = ${field.number};`;
}

// The index of an unset oneof reads as its proto2 default, 0, which is also the first oneof.
function inOneof(field: FieldDescriptorProto): boolean {
  return isFieldSet(field, FieldDescriptorProtoSchema.field.oneofIndex);
}

function labelOf(field: FieldDescriptorProto): string {
  if (field.label === Label.REPEATED) return "repeated ";
  return field.label === Label.REQUIRED ? "required " : "optional ";
}

function typeOf(field: FieldDescriptorProto): string {
  if (field.type === Type.MESSAGE || field.type === Type.ENUM) return field.typeName;
  if (field.type === Type.GROUP)
    throw new Error(`field ${field.name} is a group, which has no source text here`);
  return Type[field.type].toLowerCase();
}

function defaultOf(field: FieldDescriptorProto): string {
  return field.type === Type.STRING ? JSON.stringify(field.defaultValue) : field.defaultValue;
}

function reserved(ranges: { start: number; end: number }[], largest: number): string[] {
  return ranges.map((r) => `reserved ${span(r.start, r.end - 1, largest)};`);
}

function span(first: number, last: number, largest: number): string {
  if (first === last) return `${first}`;
  return `${first} to ${last >= largest ? "max" : last}`;
}

function block(head: string, body: string[]): string[] {
  return [`${head} {`, ...body.map((line) => `  ${line}`), "}"];
}
