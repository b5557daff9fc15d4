import { execFileSync } from "node:child_process";

import { expect, it } from "vitest";

import { shellWord } from "./shell-word.ts";

it.each([
  "fridge-001",
  "",
  "a b",
  "it's",
  "$(touch /tmp/pwned)",
  "`id`",
  "channel:prod -tag:x",
  "*",
  "~/x",
  "!!",
  '"',
  "\\",
])("a shell reads %j back as it was", (text) => {
  const printed = execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" });
  expect(printed).toBe(text);
});

it("leaves words alone that need no quotes, and drops what repaints a terminal", () => {
  expect(shellWord("./dir/token-1")).toBe("./dir/token-1");
  expect(shellWord("a\u001b[2Jb")).toBe("'a[2Jb'");
});
