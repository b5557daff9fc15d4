import { readFileSync } from "node:fs";
import { join } from "node:path";

import { parseConfig } from "@nix-ota/agent/config";
import { expect, test } from "vitest";

import { entryFile } from "../src/processes.ts";
import { runCommand } from "../src/run-command.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");
const README = read("README.md");
/** What people copy commands from. */
const DOCUMENTS = ["README.md", "services/README.md"];

const PROGRAMS = {
  "nix-ota": "cli",
  "nix-ota-server": "services",
  "nix-ota-agent": "agent",
} as const;

/** Every command of a document that runs a program of ours, as words. */
function commands(document: string): { program: keyof typeof PROGRAMS; words: string[] }[] {
  const blocks = [...document.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)]
    .filter(([, language]) => language === "")
    .map(([, , block = ""]) => block);
  return blocks
    .flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
    .flatMap((line) => {
      const [program = "", ...words] = line.trim().split(/\s+/);
      return program in PROGRAMS ? [{ program: program as keyof typeof PROGRAMS, words }] : [];
    });
}

test("the README walks through all three programs", () => {
  expect(new Set(commands(README).map(({ program }) => program))).toEqual(
    new Set(Object.keys(PROGRAMS)),
  );
});

test.each(DOCUMENTS.flatMap((path) => commands(read(path)).map((one) => ({ path, ...one }))))(
  "$path: $program $words has only options that the program knows",
  async ({ program, words }) => {
    const subcommand = words.slice(0, 2).filter((word) => /^[a-z]+$/.test(word));
    const argv = [process.execPath, entryFile(PROGRAMS[program])];
    const named = program === "nix-ota" ? subcommand : [];
    const help = await runCommand([...argv, ...named, "--help"], { timeoutMs: 20_000 });
    expect(help.code, help.stderr).toBe(0);
    for (const word of words.filter((one) => one.startsWith("--")))
      expect(help.stdout).toContain(word);
    if (program === "nix-ota-agent") expect(help.stdout).toContain(words[0]);
  },
);

test("the README's configuration of a device is one", () => {
  const [, json = ""] = /```json\n([\s\S]*?)```/.exec(README) ?? [];
  const filled = json
    .replace(/"<[^"]*>"/, JSON.stringify("sign:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="))
    .replace(
      "cache.example.com:…",
      "cache.example.com:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
    );
  expect(parseConfig(filled, "")).toMatchObject({ channel: "prod", deviceId: "fridge-007" });
});
