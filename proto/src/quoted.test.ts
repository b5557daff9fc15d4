import * as fc from "fast-check";
import { expect, test } from "vitest";

import { quoted } from "./quoted.ts";

test.each([
  ["prod", '"prod"'],
  ['say "hi"\\', '"say \\"hi\\"\\\\"'],
  ["\u001b[31m", '"\\u001b[31m"'],
  ["\u009b31m", '"\\u009b31m"'],
  ["\u202egnp", '"\\u202egnp"'],
  ["\u007f", '"\\u007f"'],
  ["a\nb", '"a\\nb"'],
  ["😀", '"\\ud83d\\ude00"'],
])("%j becomes printable", (text, expected) => {
  expect(quoted(text)).toBe(expected);
});

test("a long text is cut and says so", () => {
  expect(quoted("x".repeat(81))).toBe(`"${"x".repeat(80)}…"`);
});

test("nothing but printable ASCII and the sign of a cut comes out, at bounded length", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      expect(quoted(text)).toMatch(/^"[ -~]{0,480}…?"$/);
    }),
  );
});
