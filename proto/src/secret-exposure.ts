/** Who can read a file with a secret in it that should not. Pure. */
import { shellWord } from "./shell-word.ts";

/** As much of a file as says who can read it. */
export interface SecretFile {
  /** As it was named. */
  readonly file: string;
  /** What that leads to, without links. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** Its owner. */
  readonly uid: number;
}

const OF_GROUP = 0o070;
const OF_EVERYBODY = 0o007;
const STORE = "/nix/store/";

/**
 * One sentence with the remedy; undefined: nobody else can read it. The group of a file of another
 * owner is how a program gets at it: a credential that systemd hands over shows the mode 440, and so
 * does a secret that is shared by a group on purpose.
 *
 * @param what e.g. `admin token`.
 * @param ownUid whom the program that uses it runs as.
 */
export function exposure(
  what: string,
  { file, path, mode, uid }: SecretFile,
  ownUid: number,
): string | undefined {
  const word = shellWord(file);
  const bits = (mode & 0o777).toString(8);
  if (path.startsWith(STORE))
    return `the ${what} file ${file} is in the Nix store, where every user and every copy of the system has it; keep it outside and make a new secret`;
  if ((mode & OF_EVERYBODY) !== 0)
    return `the ${what} file ${file} is open to every user (mode ${bits}); close it with: chown ${ownUid} ${word} && chmod 600 ${word}`;
  if ((mode & OF_GROUP) !== 0 && uid === ownUid)
    return `the ${what} file ${file} is open to its group (mode ${bits}); close it with: chmod 600 ${word}`;
  return undefined;
}
