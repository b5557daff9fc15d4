#!/usr/bin/env node
import { pino } from "pino";

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
    for (const problem of read.problems) process.stderr.write(`nix-ota-server: ${problem}\n`);
    process.stderr.write("nix-ota-server: --help tells the options\n");
    process.exitCode = EXIT.usage;
    break;
  case "config":
    await run(read.config);
}

async function run(config: Config): Promise<void> {
  // Written at once: what a process says before it dies is what is looked for.
  const log = pino({ level: config.logLevel, base: null }, pino.destination({ fd: 1, sync: true }));
  const ended = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, ended.resolve);
  try {
    const server = await startServer(config, log);
    const signal = await ended.promise;
    log.info({ signal }, "ending");
    await server.close();
  } catch (error) {
    if (error instanceof StartRefused || error instanceof DataDirInUse) log.fatal(error.message);
    else log.fatal({ err: error }, error instanceof Error ? error.message : "failed");
    process.exitCode = error instanceof SchemaTooNew ? EXIT.schemaTooNew : EXIT.failure;
  }
}
