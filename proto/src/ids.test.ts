import { expect, test } from "vitest";

import { isId, isSystem } from "./ids.ts";

test.each(["a", "0", "prod", "eu-west.till_4", "a".repeat(63)])("%j is an id", (text) => {
  expect(isId(text)).toBe(true);
});

test.each(["", "-a", ".", "_a", "A", "a b", "a/b", "é", "a\n", "\na", "a\0", "a".repeat(64)])(
  "%j is no id",
  (text) => {
    expect(isId(text)).toBe(false);
  },
);

test.each(["x86_64-linux", "aarch64-linux", "armv7l-linux", "riscv64-linux"])(
  "%j is a system",
  (text) => {
    expect(isSystem(text)).toBe(true);
  },
);

test.each(["", "linux", "-linux", "x86_64-", "X86-linux", "x86-linux-gnu", "x86_64-linux\n"])(
  "%j is no system",
  (text) => {
    expect(isSystem(text)).toBe(false);
  },
);
