import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { writeDurably } from "../durable-file.ts";
import { readSecretToken, type TokenDigest } from "./secret-token.ts";

/** Where the one-time admin token lies, for who has the server's host. */
export interface FirstAdminFile {
  readonly path: string;
  /** Undefined: there is none, or what is there is no token. */
  read(): TokenDigest | undefined;
  /** Replaces what is there; on the disk when it returns. */
  write(token: string): void;
  /** Idempotent. */
  remove(): void;
}

export function firstAdminFile(dataDir: string): FirstAdminFile {
  const path = join(dataDir, "first-admin.token");
  return {
    path,
    read() {
      try {
        return readSecretToken("nota", readFileSync(path, "utf8").trim());
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw cause;
      }
    },
    write: (token) => writeDurably(path, `${token}\n`, "replace"),
    remove: () => rmSync(path, { force: true }),
  };
}
