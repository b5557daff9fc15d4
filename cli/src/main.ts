#!/usr/bin/env node
import { processHost } from "./host.ts";
import { runCommand } from "./run-command.ts";

const interrupt = new AbortController();
// Once: a second Ctrl-C ends the process whatever it does.
process.once("SIGINT", () => interrupt.abort());
process.once("SIGTERM", () => interrupt.abort());

// `nix-ota device list | head -1`: nobody is left to tell. Ended as SIGPIPE ends a program, since 0
// would say of a release that is waited for that every device has proven it.
process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (code === "EPIPE") process.exit(128 + 13);
  process.stderr.write(
    `error: the result cannot be written: ${message}; check where stdout goes\n`,
  );
  process.exit(1);
});
// Notes that nobody can read are no reason to stop in the middle of a publish.
process.stderr.on("error", () => {});

process.exitCode = await runCommand(process.argv.slice(2), processHost(interrupt.signal));
