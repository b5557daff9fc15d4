import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { create, fromBinary, toJson } from "@bufbuild/protobuf";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { afterEach, beforeEach, expect, it } from "vitest";

import { protoSource } from "./proto-source.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "proto-source-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

it("compiles back to the descriptor it was written from", () => {
  const original = file_buf_validate_validate.proto;
  const compiled = compile(original.name, protoSource(original));
  expect(declarations(compiled)).toEqual(declarations(original));
});

it("refuses a syntax whose text it cannot write", () => {
  const file = create(FileDescriptorProtoSchema, { name: "three.proto", syntax: "proto3" });
  expect(() => protoSource(file)).toThrow("three.proto is proto3");
});

function compile(name: string, source: string): FileDescriptorProto {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  execFileSync("node_modules/.bin/buf", [
    "build",
    directory,
    "--exclude-source-info",
    "-o",
    join(directory, "image.binpb"),
  ]);
  const image = fromBinary(FileDescriptorSetSchema, readFileSync(join(directory, "image.binpb")));
  const file = image.file.find((candidate) => candidate.name === name);
  if (file === undefined) throw new Error(`${name} is not in the image`);
  return file;
}

// What the source text does not carry: custom options, and the order of fields around a oneof.
// A JSON name is derived by the compiler.
const UNWRITTEN = new Set(["options", "jsonName"]);

function declarations(file: FileDescriptorProto): unknown {
  return JSON.parse(
    JSON.stringify(toJson(FileDescriptorProtoSchema, file), (key, value: unknown) => {
      if (UNWRITTEN.has(key)) return undefined;
      return key === "field" && Array.isArray(value) ? value.toSorted(byNumber) : value;
    }),
  );
}

function byNumber(a: { number: number }, b: { number: number }): number {
  return a.number - b.number;
}
