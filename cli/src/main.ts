#!/usr/bin/env node
import { processHost } from "./host.ts";
import { runCommand } from "./run-command.ts";

const interrupt = new AbortController();
// Once: a second Ctrl-C ends the process whatever it does.
process.once("SIGINT", () => interrupt.abort());
process.once("SIGTERM", () => interrupt.abort());

// `nix-ota device list | head -1`: the reader has what it wanted, and nobody is left to tell.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  if (cause.code !== "EPIPE") throw cause;
  process.exit(0);
});

process.exitCode = await runCommand(process.argv.slice(2), processHost(interrupt.signal));
