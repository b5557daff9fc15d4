import fc from "fast-check";
import { expect, test } from "vitest";

import { makeCursor, readCursor } from "./cursor.ts";

test("a cursor gives back its parts to the call that made it, and to no other", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 3 }), (parts) => {
      const cursor = makeCursor("ListDevices", parts);
      fc.pre(cursor.length <= 256);
      expect(readCursor("ListDevices", cursor, parts.length)).toEqual(parts);
      expect(() => readCursor("ListReleases", cursor, parts.length)).toThrow(/not from this call/);
      expect(() => readCursor("ListDevices", cursor, parts.length + 1)).toThrow(
        /not from this call/,
      );
    }),
  );
});

test("the empty cursor begins at the start, anything else that was not made is refused", () => {
  expect(readCursor("ListDevices", "", 1)).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      expect(() => readCursor("ListDevices", text, 1)).toThrow(/not from this call/);
    }),
  );
});
