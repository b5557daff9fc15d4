import { readFileSync } from "node:fs";

/** Version of the program. */
export function versionOfProgram(): string {
  const file = new URL("../package.json", import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(file, "utf8"));
  return version;
}
