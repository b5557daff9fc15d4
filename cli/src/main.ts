#!/usr/bin/env node
import { processHost } from "./host.ts";
import { runCommand } from "./run-command.ts";

const interrupt = new AbortController();
// Once: a second Ctrl-C ends the process whatever it does.
process.once("SIGINT", () => interrupt.abort());
process.once("SIGTERM", () => interrupt.abort());

process.exitCode = await runCommand(process.argv.slice(2), processHost(interrupt.signal));
