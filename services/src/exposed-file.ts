import { realpathSync, statSync } from "node:fs";

/** As much of a file as says who can read it. */
export interface Access {
  /** Permission bits. */
  readonly mode: number;
  /** Its owner. */
  readonly uid: number;
}

const OF_GROUP = 0o070;
const OF_EVERYBODY = 0o007;
const STORE = "/nix/store/";

/**
 * Who can read a secret that should not, with the remedy; undefined: nobody, or it is not there.
 * The group of a file of another owner is how the server itself gets at it: a credential that
 * systemd hands over shows the mode 440, and so does a secret that is shared by a group on purpose.
 *
 * @param what e.g. `admin token`.
 */
export function exposureOf(file: string, what: string): string | undefined {
  try {
    const path = realpathSync(file);
    const found = statSync(path);
    // A pipe or a terminal has no others.
    if (!found.isFile()) return undefined;
    return exposure(what, { file, path, access: found, ownUid: process.geteuid?.() ?? 0 });
  } catch {
    // That it cannot be read is told where it is read.
    return undefined;
  }
}

/** @param place `file` as it was named, `path` what it leads to; `ownUid` whom the server runs as. */
export function exposure(
  what: string,
  place: { file: string; path: string; access: Access; ownUid: number },
): string | undefined {
  const { file, path, access, ownUid } = place;
  const mode = (access.mode & 0o777).toString(8);
  if (path.startsWith(STORE))
    return `the ${what} file ${file} is in the Nix store, where every user and every copy of the system has it; keep it outside and make a new secret`;
  if ((access.mode & OF_EVERYBODY) !== 0)
    return `the ${what} file ${file} is open to every user (mode ${mode}); close it with: chown ${ownUid} ${file} && chmod 600 ${file}`;
  if ((access.mode & OF_GROUP) !== 0 && access.uid === ownUid)
    return `the ${what} file ${file} is open to its group (mode ${mode}); close it with: chmod 600 ${file}`;
  return undefined;
}
