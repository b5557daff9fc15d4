import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ANY_SUBSTITUTER, checkSubstituterUrl, type SubstituterRules } from "./substituter-url.ts";

const strict: SubstituterRules = { allowHttp: false, allowFile: false, allowed: "any" };

test.each([
  "https://cache.nixos.org",
  "https://cache.nixos.org/",
  "https://attic.example.org:8443/fleet",
  "https://nix-community.cachix.org",
  "https://[2001:db8::1]:8443/cache",
  "https://192.0.2.1/a/b_c~d+e.f",
  "s3://my-nix-cache",
  "s3://my.nix.cache/prefix",
])("%s is taken under the strictest rules", (url) => {
  expect(checkSubstituterUrl(url, strict)).toBeUndefined();
});

describe("no rule makes these acceptable", () => {
  test.each([
    "",
    "cache.nixos.org",
    "https://",
    "https:///path",
    "https:/cache.example.org",
    "HTTPS://cache.example.org",
    "https://user@cache.example.org",
    "https://user:secret@cache.example.org",
    "https://cache.example.org?trusted=1",
    "https://cache.example.org/?trusted=true",
    "https://cache.example.org/#trusted=1",
    "https://cache.example.org/a?",
    "https://cache.example.org/%3ftrusted=1",
    "https://cache.example.org/..",
    "https://cache.example.org/a/../b",
    "https://cache.example.org/a/./b",
    "https://cache.example.org//a",
    "https://cache.example.org\\a",
    "https://cache.example.org https://evil.example",
    "https://cache.example.org\thttps://evil.example",
    "https://cache.example.org\nhttps://evil.example",
    " https://cache.example.org",
    "https://cache.example.org:port",
    "https://cache.example.org:123456",
    "https://-flag",
    "https://caché.example.org",
    "--option",
    "-",
    "s3://",
    "s3://My-Bucket",
    "s3://bucket?endpoint=evil.example",
    "s3://bucket?profile=x",
    "file://host/cache",
    "file:///",
    "file://",
    "file:///a/../b",
    "file:///a?trusted=1",
    "/mnt/cache",
    "ssh://root@host",
    "ssh-ng://host",
    "daemon",
    "auto",
    "local?root=/x",
    "javascript:alert(1)",
    `https://cache.example.org/${"a".repeat(512)}`,
  ])("%j", (url) => {
    expect(checkSubstituterUrl(url, ANY_SUBSTITUTER)).toEqual(expect.any(String));
  });
});

test("http and file are taken where the device allows each", () => {
  const check = (url: string, rules: Partial<SubstituterRules>) =>
    checkSubstituterUrl(url, { ...strict, ...rules }) === undefined;
  expect({
    http: check("http://192.0.2.1:8080", { allowHttp: true }),
    httpWithoutLeave: check("http://192.0.2.1:8080", { allowFile: true }),
    file: check("file:///mnt/stick/cache", { allowFile: true }),
    fileWithoutLeave: check("file:///mnt/stick/cache", { allowHttp: true }),
  }).toEqual({ http: true, httpWithoutLeave: false, file: true, fileWithoutLeave: false });
});

test.each([
  ["https://cache.example.org/fleet", true],
  ["https://cache.example.org/fleet/", true],
  ["https://cache.example.org/fleet/a", true],
  ["https://cache.example.org/fleets", false],
  ["https://cache.example.org", false],
  ["https://cache.example.org.evil.example/fleet", false],
  ["s3://bucket", true],
  ["s3://bucket-of-mallory", false],
])("below the allowed https://cache.example.org/fleet/ and s3://bucket, %s: %s", (url, taken) => {
  const allowed = ["https://cache.example.org/fleet/", "s3://bucket"];
  expect(checkSubstituterUrl(url, { ...strict, allowed }) === undefined).toBe(taken);
});

test("an empty list of allowed ones allows none", () => {
  expect(checkSubstituterUrl("https://cache.nixos.org", { ...strict, allowed: [] })).toBe(
    'substituter "https://cache.nixos.org" is not among those that the device allows',
  );
});

test("what is taken has no blank, quote, query, fragment or user information", () => {
  const part = fc.constantFrom(
    "https",
    "s3",
    "file",
    "://",
    "a",
    ".",
    "/",
    ":",
    "@",
    "?",
    "#",
    " ",
    "%",
    "1",
    "-",
    "\n",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const url = parts.join("");
      const taken = checkSubstituterUrl(url, ANY_SUBSTITUTER) === undefined;
      const behindScheme = url.replace(/^[a-z0-9]+:\/\//, "");
      const hasWrong = /[\s@?#%"']|\/\.|^-/.test(url) || behindScheme.includes("//");
      expect(taken && hasWrong).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});
