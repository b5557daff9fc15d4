import { expect, test } from "vitest";

import { shortage } from "./space-need.ts";

const MIB = 1024 ** 2;
const nix = {
  place: "/nix",
  freeBytes: 600 * MIB,
  missingBytes: 100 * MIB,
  marginPercent: 10,
  reserveBytes: 512 * MIB,
  remedy: "collect garbage",
};

test("what does not fit is said with what is free, needed, missing, and what to do", () => {
  expect(shortage(nix)).toBe(
    "/nix has 600.0 MiB free, but 622.0 MiB are needed (100.0 MiB missing and 10 % on top, 512.0 MiB that stay free): 22.0 MiB too few; collect garbage",
  );
  expect(shortage({ ...nix, missingBytes: 0, freeBytes: 0 })).toBe(
    "/nix has 0.0 MiB free, but 512.0 MiB are needed (512.0 MiB that stay free): 512.0 MiB too few; collect garbage",
  );
});

test("what fits exactly is taken", () => {
  expect(shortage({ ...nix, freeBytes: 622 * MIB })).toBeUndefined();
  expect(shortage({ ...nix, freeBytes: 622 * MIB - 1 })).toBeDefined();
});
