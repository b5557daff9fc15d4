import { expect, it } from "vitest";

import {
  byteChangeText,
  byteText,
  countOf,
  durationText,
  relativeTime,
  revisionText,
} from "./amounts.ts";

it.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1024 * 1024 - 1, "1.0 MiB"],
  [5_000_000n, "4.8 MiB"],
  [3n * 1024n ** 3n, "3.0 GiB"],
  [9_007_199_254_740_991n, "8192.0 TiB"],
])("%s bytes are %s", (bytes, text) => {
  expect(byteText(bytes)).toBe(text);
});

it.each([
  [0n, "±0 B"],
  [2048n, "+2.0 KiB"],
  [-640n, "−640 B"],
])("a change of %s bytes is %s", (bytes, text) => {
  expect(byteChangeText(bytes)).toBe(text);
});

it.each([
  [0, "just now"],
  [59_000, "59 s ago"],
  [61_000, "1 min ago"],
  [3_600_000, "1 h ago"],
  [200_000_000, "2 d ago"],
  [-7_200_000, "in 2 h"],
  [-1000, "just now"],
])("%s ms back is %s", (agoMs, text) => {
  expect(relativeTime(1e12 - agoMs, 1e12)).toBe(text);
});

it("says that a time is not known", () => {
  expect(relativeTime(undefined, 0)).toBe("–");
});

it("names revisions and counts", () => {
  expect([revisionText(42n), revisionText(0n)]).toEqual(["r42", "–"]);
  expect([countOf(1, "path"), countOf(2n, "path")]).toEqual(["1 path", "2 paths"]);
});

it.each([
  [0, "0 s"],
  [59_999, "59 s"],
  [252_000, "4 min 12 s"],
  [7_500_000, "2 h 5 min"],
])("prints %i ms as %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});
