import fc from "fast-check";
import { expect, it } from "vitest";

import { safeJson, safeText, shortenMiddle } from "./terminal-text.ts";

it("escape sequences, bidirectional controls and line breaks do not reach the terminal", () => {
  expect(safeText("\u001b[2Ja\u009b31mb\u202ec\u2066d\u200be\r\nf\u0007")).toBe("[2Ja31mbcde f");
});

it("no text, whatever it is, prints a character that controls a terminal", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(safeText(text)).not.toMatch(/\p{Cc}|\p{Bidi_C}|[\u2028\u2029]/u);
    }),
  );
});

it("cuts what is too long", () => {
  expect(safeText("abcdef", 4)).toBe("abc…");
});

it("JSON keeps every value and prints none of those characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const json = safeJson({ text });
      expect(JSON.parse(json)).toEqual({ text });
      expect(json.replaceAll("\n", "")).not.toMatch(/\p{Cc}|\p{Bidi_C}|[\u2028\u2029]/u);
    }),
  );
});

it("shortens in the middle to exactly the length", () => {
  const path = "/nix/store/0c2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx-nixos-system-till-25.05";
  expect(shortenMiddle(path, 31)).toBe("/nix/store/0c2h…stem-till-25.05");
  expect(shortenMiddle("short", 31)).toBe("short");
});
