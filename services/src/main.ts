#!/usr/bin/env node
import { pino } from "pino";

import { runCommand, type OnceCommand } from "./backup/run-command.ts";
import type { Command } from "./commands.ts";
import { exposedSecrets, fileProblems } from "./config-files.ts";
import { readConfig, type Config, type Readable } from "./config.ts";
import { connect } from "./db/connect.ts";
import { DataDirInUse } from "./db/data-dir-lock.ts";
import { SchemaTooNew } from "./db/migrate.ts";
import { usage } from "./options.ts";
import { startServer } from "./server.ts";
import { StartRefused } from "./start/start-files.ts";
import { versionOfProgram } from "./version.ts";

const EXIT = { failure: 1, usage: 2, schemaTooNew: 3 } as const;

const read = readConfig();
switch (read.kind) {
  case "help":
    process.stdout.write(usage());
    break;
  case "problems":
    complain([...read.problems, ...fileProblems(read.readable)]);
    break;
  case "config": {
    const { config, command } = read;
    const problems = fileProblems(filesOf(command, config));
    if (problems.length > 0) complain(problems);
    else if (command.kind === "serve") await run(config);
    else if (command.kind === "check-config") tellGood(config);
    else await runOnce(command, config);
  }
}

/** What a command uses of the files; others may be missing where a backup is brought back. */
function filesOf(command: Command, config: Config): Readable {
  if (command.kind === "serve" || command.kind === "check-config") return config;
  return { dataDir: config.databaseUrl === undefined ? config.dataDir : undefined };
}

async function runOnce(command: OnceCommand, config: Config): Promise<void> {
  const log = pino({ level: config.logLevel, base: null }, pino.destination({ fd: 2, sync: true }));
  try {
    await runCommand(command, {
      open: () => connect(config, log),
      version: versionOfProgram(),
      now: new Date(),
      tell: (text) => process.stdout.write(text),
    });
  } catch (error) {
    process.stderr.write(`nix-ota-server: ${sentenceOf(error)}\n`);
    process.exitCode = error instanceof SchemaTooNew ? EXIT.schemaTooNew : EXIT.failure;
  }
}

/** The cause too, where the message is only what was tried. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function complain(problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`nix-ota-server: ${problem}\n`);
  process.stderr.write("nix-ota-server: --help tells the options\n");
  process.exitCode = EXIT.usage;
}

function tellGood(config: Config): void {
  const { listen, databaseUrl } = config;
  for (const exposed of exposedSecrets(config))
    process.stderr.write(`nix-ota-server: warning: ${exposed}\n`);
  const database = databaseUrl === undefined ? "the embedded database opens" : "PostgreSQL answers";
  process.stdout.write(
    `the options and the files they name are right; not tried: whether ${database}, ` +
      `and whether port ${listen.port} of ${listen.host} is free\n`,
  );
}

async function run(config: Config): Promise<void> {
  // Written at once: what a process says before it dies is what is looked for.
  const log = pino({ level: config.logLevel, base: null }, pino.destination({ fd: 1, sync: true }));
  for (const exposed of exposedSecrets(config)) log.warn(exposed);
  const ended = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, ended.resolve);
  // From the start on: without it the signal would end the process.
  let reload = () => {};
  process.on("SIGHUP", () => reload());
  try {
    const server = await Promise.race([startServer(config, log), ended.promise]);
    if (typeof server === "string") {
      log.info({ signal: server }, "ended before it listened");
      // A start is made of transactions, and what a power cut leaves of it the next one takes up.
      process.exit();
    }
    reload = () => server.reload();
    const signal = await ended.promise;
    log.info({ signal }, "ending");
    await server.close();
  } catch (error) {
    if (error instanceof StartRefused || error instanceof DataDirInUse) log.fatal(error.message);
    else log.fatal({ err: error }, error instanceof Error ? error.message : "failed");
    process.exitCode = error instanceof SchemaTooNew ? EXIT.schemaTooNew : EXIT.failure;
  }
}
