import { expect, test } from "vitest";

import { FAILURE_REMEDY, REJECT_REMEDY, withRemedy } from "./remedy.ts";

test("every remedy is a clause that can end a sentence", () => {
  const remedies = [...Object.values(FAILURE_REMEDY), ...Object.values(REJECT_REMEDY)];
  expect(remedies.filter((one) => !/^[a-z][^.]{9,}[^.\s]$/.test(one))).toEqual([]);
});

test("a message keeps the remedy that it has, and gets one where it has none", () => {
  expect(withRemedy("no space; free 2 GB", "free space")).toBe("no space; free 2 GB");
  expect(withRemedy("no space", "free space")).toBe("no space; free space");
});
