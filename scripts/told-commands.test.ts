import { globSync, readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { processHost } from "../cli/src/host.ts";
import { createProgram } from "../cli/src/program.ts";

type Command = ReturnType<typeof createProgram>;

const SOURCES = globSync("{services,proto,agent}/src/**/*.ts").filter(
  (file) => !/\.(?:test|testkit)\.ts$/u.test(file),
);

/** Commands in back-ticks that sentences tell people to run, by the file that says so. */
const told = SOURCES.flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(/\\?`(nix-ota [a-z-]+[^`\\]*?)\\?`(?!\))/gu)].map(
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

const optionsOf = (command: Command): string[] => [
  ...command.options.flatMap(({ long }) => long ?? []),
  ...command.commands.flatMap(optionsOf),
];
const tellsOf = (file: string) => [
  ...(readFileSync(file, "utf8").match(/--[a-z][a-z-]*|(?<=flag: ")[a-z-]+/gu) ?? []),
];

/** Options of the program that a package is. */
const OWN: Readonly<Record<string, ReadonlySet<string>>> = {
  agent: new Set(tellsOf("agent/src/command-line.ts")),
  services: new Set(tellsOf("services/src/options.ts").map((flag) => `--${flag}`)),
  cli: new Set(optionsOf(createProgram(processHost(new AbortController().signal)))),
  proto: new Set(),
};

/** Programs of others, whose options are theirs. */
const FOREIGN = /(?:systemctl|setpriv|tail|nix-store|nix-env|nix copy|nix store sign)\b[^`;]*$/u;

/** Options within sentences, and what stands before them on the line. */
const named = globSync("{services,proto,agent,cli}/src/**/*.ts")
  .filter((file) => !/\.(?:test|testkit)\.ts$|cli\/src\/(?:commands|completion)\//u.test(file))
  .flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => !/^\s*(?:\/\/|\/?\*)/u.test(line))
      .flatMap((line) =>
        [...line.matchAll(/(?<=[a-z,:] |`|")--[a-z][a-z-]*(?=[\s,;.")`])/gu)].map((match) => ({
          file,
          option: match[0],
          before: line.slice(0, match.index),
        })),
      ),
  )
  // What is a word of its own is handed to a program and told to nobody.
  .filter(({ before }) => /[a-z,:] $/u.test(before) && !FOREIGN.test(before))
  // Every program has it.
  .filter(({ option }) => option !== "--help");

/** The programs of which one has to have the option. */
function programsOf(file: string, before: string): readonly string[] {
  if (before.endsWith("publish with ") || /`nix-ota [^`]*$/u.test(before)) return ["cli"];
  if (/`nix-ota-agent [^`]*$/u.test(before)) return ["agent"];
  return [file.split("/")[0] ?? ""];
}

describe("options that sentences name", () => {
  it("are found where they are", () => {
    expect(new Set(named.map(({ file }) => file.split("/")[0]))).toEqual(
      new Set(["agent", "cli", "services"]),
    );
    expect(named.map(({ option }) => option)).toContain("--allow-agent-removal");
  });

  it.each(named)("$option of $file is one of the program", ({ file, option, before }) => {
    const programs = programsOf(file, before);
    expect(programs.filter((program) => OWN[program]?.has(option))).toEqual(programs);
  });
});
