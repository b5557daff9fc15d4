import { processHost } from "../cli/src/host.ts";
import { createProgram } from "../cli/src/program.ts";

type Command = ReturnType<typeof createProgram>;

/** Options that the document explains once for all commands. */
const EXPLAINED_GROUPS = new Set(["Server:", "Common options:"]);

/** Every command of nix-ota as Markdown, from what `--help` of each prints. */
export function commandsReference(): string {
  const program = createProgram(processHost(new AbortController().signal));
  return leavesOf(program).map(commandText).join("\n\n");
}

function leavesOf(command: Command): Command[] {
  return command.commands.flatMap((child) =>
    child.commands.length > 0 ? leavesOf(child) : [child],
  );
}

function commandText(command: Command): string {
  const help = command.createHelp();
  const usage = help.commandUsage(command).replace(" [options]", "");
  const options = help
    .visibleOptions(command)
    .filter((option) => !EXPLAINED_GROUPS.has(option.helpGroupHeading ?? ""))
    .map((option) => `- \`${help.optionTerm(option)}\`: ${help.optionDescription(option)}`);
  const words = help.visibleArguments(command).map((argument) => {
    const description = help.argumentDescription(argument);
    return `- \`${help.argumentTerm(argument)}\`: ${description}`;
  });
  const description = command.description();
  return [
    `### \`${usage}\``,
    "",
    `${description.charAt(0).toUpperCase()}${description.slice(1)}.`,
    "",
    ...[...words, ...options, ""],
    "```",
    exampleOf(command),
    "```",
  ].join("\n");
}

/** What stands under `Example:` in the text behind the options. */
function exampleOf(command: Command): string {
  let printed = "";
  command.configureOutput({
    writeOut: (text) => {
      printed += text;
    },
  });
  command.outputHelp();
  const [, example] = /\nExamples?:\n((?: {2}.*\n)+)/u.exec(printed) ?? [];
  if (example === undefined) throw new Error(`${command.name()} has no example`);
  return example.replaceAll(/^ {2}/gmu, "").trimEnd();
}
