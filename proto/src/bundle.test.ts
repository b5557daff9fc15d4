import { expect, test } from "vitest";

import { isNarOfBundle, isWrittenByNix } from "./bundle.ts";

const HASH = "1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3";

test.each(["", ".zst", ".xz", ".gz", ".bz2"])("takes a NAR beside the narinfo (%s)", (suffix) => {
  expect(isNarOfBundle(`nar/${HASH}.nar${suffix}`)).toBe(true);
});

test.each([
  "",
  `../${HASH}.nar`,
  `nar/../../../../etc/shadow`,
  `nar/../nar/${HASH}.nar`,
  `/nar/${HASH}.nar`,
  `//evil.example/nar/${HASH}.nar`,
  `https://evil.example/nar/${HASH}.nar`,
  `nar/${HASH}.nar\n`,
  `nar/${HASH}.nar?x=../y`,
  `nar/${HASH}`,
  `NAR/${HASH}.nar`,
  `nar\\${HASH}.nar`,
  `nar/%2e%2e.nar`,
])("and nothing that could lead elsewhere: %j", (url) => {
  expect(isNarOfBundle(url)).toBe(false);
});

test("takes a narinfo as nix writes it, whose values may be empty", () => {
  expect(isWrittenByNix("StorePath: /nix/store/x\nURL: nar/x.nar\nReferences: \n")).toBe(true);
});

test.each([
  ["a URL that only nix sees", "URL: nar/good.nar\nURL:_../../dev/zero\n"],
  ["a name over two lines", "URL: nar/good.nar\nx\nURL: ../../dev/zero\n"],
  ["a line without an end", "URL: nar/good.nar"],
  ["nothing", ""],
])("and none with %s", (_, text) => {
  expect(isWrittenByNix(text)).toBe(false);
});
