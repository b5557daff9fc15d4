import { expect, test } from "vitest";

import { isStorePath, packageName, storePathHash, storePathName } from "./store-path.ts";

const HASH = "0c2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx";
const PATH = `/nix/store/${HASH}-openssh-9.6p1`;

test("a store path falls into its hash and its name", () => {
  expect([isStorePath(PATH), storePathHash(PATH), storePathName(PATH)]).toEqual([
    true,
    HASH,
    "openssh-9.6p1",
  ]);
});

test.each([
  "",
  PATH.slice(1),
  `${PATH}/bin`,
  `${PATH}\n`,
  `/nix/store/${HASH}`,
  `/nix/store/${HASH}-`,
  `/nix/store/${HASH.slice(1)}-x`,
  `/nix/store/${HASH.replace("0", "u")}-x`,
  `/nix/store/${HASH}-${"x".repeat(212)}`,
  "--no-check-sigs",
])("%j is no store path and has no parts", (text) => {
  expect([isStorePath(text), storePathHash(text), storePathName(text)]).toEqual([
    false,
    undefined,
    undefined,
  ]);
});

test("a name may have 211 characters of nix's set", () => {
  expect(isStorePath(`/nix/store/${HASH}-+._?=-${"x".repeat(205)}`)).toBe(true);
});

test.each([
  [PATH, "openssh", "9.6p1"],
  ["apache-httpd-2.0.48", "apache-httpd", "2.0.48"],
  ["openssl-3.0.13-dev", "openssl", "3.0.13-dev"],
  ["font-awesome-6-free", "font-awesome", "6-free"],
  ["nixos-system-till-25.05.20250101.abcdef", "nixos-system-till", "25.05.20250101.abcdef"],
  ["etc", "etc", ""],
  ["unit-sshd.service", "unit-sshd.service", ""],
  ["a--b", "a", "-b"],
  ["trailing-", "trailing-", ""],
])("the package of %j is %j in version %j", (text, name, version) => {
  expect(packageName(text)).toEqual({ name, version });
});
