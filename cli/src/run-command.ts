import { CommanderError } from "@commander-js/extra-typings";

import { CliError } from "./cli-error.ts";
import { ExitCode, exitCodeOf } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { createOutput, eraseLine } from "./output.ts";
import { createProgram } from "./program.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** Runs a command line, without the program's own name, and gives the exit code. Never throws. */
export async function runCommand(args: readonly string[], host: Host): Promise<number> {
  try {
    await createProgram(host).parseAsync([...args], { from: "user" });
    return ExitCode.OK;
  } catch (error) {
    // Its message has been printed where the command line was read.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
    report(error, args.includes("--debug"), host);
    return error instanceof CliError ? exitCodeOf(error.kind) : ExitCode.FAILURE;
  }
}

function report(error: unknown, debug: boolean, host: Host): void {
  const output = createOutput(host, { json: false, quiet: false });
  // A step that was under way may have left its line of progress.
  host.stderr.write(
    `${eraseLine(host)}${output.paintNote("red", "error:")} ${withoutSecrets(sentenceOf(error, host))}\n`,
  );
  if (!debug) return;
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    host.stderr.write(`${withoutSecrets(at.stack ?? at.message)}\n`);
}

function sentenceOf(error: unknown, host: Host): string {
  if (error instanceof CliError) return error.message;
  if (host.signal.aborted) return "interrupted";
  const message = error instanceof Error ? error.message : String(error);
  return `a defect of nix-ota: ${message}; run it with --debug and report what it prints`;
}
