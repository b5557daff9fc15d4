import { expect, test } from "vitest";

import { parseDryRun } from "./dry-run.ts";

test("reads what would be fetched", () => {
  expect(
    parseDryRun(
      "these 8 paths will be fetched (0.01 MiB download, 0.07 MiB unpacked):\n  /nix/store/a",
    ),
  ).toEqual({ paths: 8, downloadBytes: 10_486, unpackedBytes: 73_401 });
  expect(
    parseDryRun("this path will be fetched (1.50 GiB download, 4.00 GiB unpacked):"),
  ).toMatchObject({
    paths: 1,
    unpackedBytes: 4 * 1024 ** 3,
  });
});

test("nothing is missing where nothing is said", () => {
  expect(parseDryRun("")).toEqual({ paths: 0, downloadBytes: 0, unpackedBytes: 0 });
});

test.each([
  "these derivations will be built:",
  "don't know how to build these paths:",
  "warning: unable to download 'http://c'",
])("does not guess from %j", (text) => {
  expect(parseDryRun(text)).toBeUndefined();
});
