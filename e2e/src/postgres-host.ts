import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

import { HarnessError } from "./harness-error.ts";
import type { HostUser } from "./namespace.ts";

/** The newest version's folder of programs below `root`. */
export function findBinaries(root = "/usr/lib/postgresql"): string {
  const versions = existsSync(root) ? readdirSync(root).map(Number).filter(Number.isInteger) : [];
  const usable = versions
    .toSorted((a, b) => b - a)
    .find((version) => existsSync(join(root, `${version}`, "bin/initdb")));
  if (usable === undefined) {
    throw new HarnessError(
      "host",
      `no PostgreSQL below ${root}; install Debian's package: apt-get install postgresql`,
    );
  }
  return join(root, `${usable}`, "bin");
}

/** The words before a command that make it a PostgreSQL program of this host. */
export type Launcher = {
  readonly argv: readonly string[];
  /** Whom the files must belong to; undefined: the caller. */
  readonly owner: HostUser | undefined;
};

/**
 * PostgreSQL refuses to run as root: the user of Debian's package takes it then, else nobody.
 * In either case the cluster goes when its starter is killed, so no test leaves one behind.
 */
export async function postgresLauncher(): Promise<Launcher> {
  const argv = ["setpriv", "--pdeathsig=INT"];
  if (process.getuid?.() !== 0) return { argv: [...argv, "--"], owner: undefined };
  const passwd = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const user =
    passwd.find(([name]) => name === "postgres") ?? passwd.find(([name]) => name === "nobody");
  if (user === undefined)
    throw new HarnessError(
      "host",
      "neither the user postgres nor nobody exists; install Debian's package postgresql",
    );
  const owner = { uid: Number(user[2]), gid: Number(user[3]) };
  const as = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups", "--"];
  return { argv: [...argv, ...as], owner };
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string")
    throw new HarnessError("host", "no free port on 127.0.0.1");
  return address.port;
}
