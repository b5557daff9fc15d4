import { globSync, readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { processHost } from "../cli/src/host.ts";
import { createProgram } from "../cli/src/program.ts";

type Command = ReturnType<typeof createProgram>;

const SOURCES = globSync("{services,proto}/src/**/*.ts").filter(
  (file) => !/\.(?:test|testkit)\.ts$/u.test(file),
);

/** Commands in back-ticks that sentences tell people to run, by the file that says so. */
const told = SOURCES.flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(/\\?`(nix-ota [a-z-]+[^`\\]*)\\?`/gu)].map(
    ([, line = ""]) => ({
      file,
      line,
    }),
  ),
);

/** What is wrong with a command line, undefined when nothing is. */
function problem(line: string): string | undefined {
  const [, ...words] = line.split(" ");
  let command: Command = createProgram(processHost(new AbortController().signal));
  while (command.commands.length > 0) {
    const name = words.shift();
    const child = command.commands.find((one) => one.name() === name);
    if (child === undefined) return `${command.name()} has no command ${name}`;
    command = child;
  }
  let positions = 0;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (!word.startsWith("-")) {
      positions += 1;
      continue;
    }
    const option = command.options.find(({ long }) => long === word);
    if (option === undefined) return `${command.name()} has no option ${word}`;
    if (option.required) words.shift();
  }
  const taken = command.registeredArguments;
  const most = taken.at(-1)?.variadic ? Number.POSITIVE_INFINITY : taken.length;
  return positions > most ? `${command.name()} takes ${most} arguments` : undefined;
}

describe("commands that sentences tell people to run", () => {
  it("are found where they are", () => {
    expect(told.length).toBeGreaterThan(5);
  });

  it.each(told)("$line of $file is one", ({ line }) => {
    expect(problem(line)).toBeUndefined();
  });

  it.each([
    ["nix-ota chanel list", "nix-ota has no command chanel"],
    ["nix-ota channel pause --now", "pause has no option --now"],
    ["nix-ota channel list prod", "list takes 0 arguments"],
  ])("would not be %s", (line, sentence) => {
    expect(problem(line)).toBe(sentence);
  });
});
