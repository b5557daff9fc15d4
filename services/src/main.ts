#!/usr/bin/env node
import { pino } from "pino";

import { fileProblems } from "./config-files.ts";
import { readConfig, type Config } from "./config.ts";
import { DataDirInUse } from "./db/data-dir-lock.ts";
import { SchemaTooNew } from "./db/migrate.ts";
import { usage } from "./options.ts";
import { StartRefused, startServer } from "./server.ts";

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
    const problems = fileProblems(read.config);
    if (problems.length > 0) complain(problems);
    else if (read.checkOnly) tellGood(read.config);
    else await run(read.config);
  }
}

function complain(problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`nix-ota-server: ${problem}\n`);
  process.stderr.write("nix-ota-server: --help tells the options\n");
  process.exitCode = EXIT.usage;
}

function tellGood({ listen, databaseUrl }: Config): void {
  const database = databaseUrl === undefined ? "the embedded database opens" : "PostgreSQL answers";
  process.stdout.write(
    `the options and the files they name are right; not tried: whether ${database}, ` +
      `and whether port ${listen.port} of ${listen.host} is free\n`,
  );
}

async function run(config: Config): Promise<void> {
  // Written at once: what a process says before it dies is what is looked for.
  const log = pino({ level: config.logLevel, base: null }, pino.destination({ fd: 1, sync: true }));
  const ended = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, ended.resolve);
  // From the start on: without it the signal would end the process.
  let reload = () => {};
  process.on("SIGHUP", () => reload());
  try {
    const server = await startServer(config, log);
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
