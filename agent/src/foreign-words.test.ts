import { expect, test } from "vitest";

import { foreignWords } from "./foreign-words.ts";

test("leaves nothing in what a program said that reads as the remedy of a sentence", () => {
  expect(foreignWords(" error: no space;  giving\n up; \t", 300)).toBe(
    "error: no space, giving up,",
  );
  expect(foreignWords("a\u001b[2Jb", 300)).toBe("a [2Jb");
  expect(foreignWords("PATH=a;b", 300)).toBe("PATH=a;b");
  expect(foreignWords("x".repeat(400), 300)).toHaveLength(300);
});
