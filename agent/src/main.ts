#!/usr/bin/env node
import { AgentError } from "./agent-error.ts";

// Loaded when it is known that it is needed: a poll of a device at which nothing changed is not.
const { commandLine } = await import("./command-line.ts");

try {
  process.exitCode = await commandLine(process.argv.slice(2));
} catch (cause) {
  const message = cause instanceof Error ? cause.message : String(cause);
  process.stderr.write(`nix-ota-agent: ${message}\n`);
  if (cause instanceof AgentError && cause.cause instanceof Error)
    process.stderr.write(`  because: ${cause.cause.message}\n`);
  process.exitCode = cause instanceof AgentError && cause.kind === "config" ? 2 : 1;
}
