import { execFileSync } from "node:child_process";

import { expect, test } from "vitest";

import { shellWord } from "./shell-word.ts";

test.each(["/etc/nix-ota/token", "r1.json", "a@b:c,d=e+f%"])("%s stays as it is", (word) => {
  expect(shellWord(word)).toBe(word);
});

test.each(["", "/my token", "it's", "$(reboot)", "a;b", "`id`", "a\nb", "~/x", "*", "\\", "-n"])(
  "a shell reads %j back",
  (word) => {
    const said = execFileSync("/bin/sh", ["-c", `printf %s ${shellWord(word)}`]);
    expect(said.toString()).toBe(word);
    expect(shellWord(word)).not.toBe(word);
  },
);
