import { join } from "node:path";

import type { HostUser } from "./namespace.ts";
import { runCommand } from "./run-command.ts";

/** Whose machines a test can make on this host, by a name for the test's title. */
export type DeviceOwner = {
  readonly title: string;
  readonly runAs?: HostUser;
  /** Why these machines cannot be made here. */
  readonly impossible?: string;
};

/** The user without rights that every Linux has. */
const NOBODY: HostUser = { uid: 65_534, gid: 65_534 };

/** Root makes machines for itself and for an ordinary user; an ordinary user only its own. */
export async function deviceOwners(): Promise<DeviceOwner[]> {
  if (process.getuid?.() !== 0) return [{ title: "an ordinary user" }];
  const ids = [`--reuid=${NOBODY.uid}`, `--regid=${NOBODY.gid}`, "--clear-groups"];
  const systems = join(import.meta.dirname, "../nix/systems.nix");
  const readable = await runCommand(["setpriv", ...ids, "--", "test", "-r", systems]);
  const userNamespace = await runCommand(["setpriv", ...ids, "--", "unshare", "-r", "true"]);
  const impossible =
    readable.code !== 0
      ? "the checkout is below a folder that an ordinary user may not enter"
      : userNamespace.code !== 0
        ? `user namespaces are off: ${userNamespace.stderr.trim()}`
        : undefined;
  const ordinary = { title: "an ordinary user", runAs: NOBODY };
  return [{ title: "root" }, impossible === undefined ? ordinary : { ...ordinary, impossible }];
}
