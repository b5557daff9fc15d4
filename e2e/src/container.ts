import { readFile } from "node:fs/promises";

import { eventually } from "./eventually.ts";
import { HarnessError } from "./harness-error.ts";
import type { ProcessHandle } from "./process-handle.ts";

export type ContainerOptions = {
  /** The container's root file system. */
  readonly root: string;
  /** Folders of the host that it sees at the same path, read-only. */
  readonly folders: readonly string[];
  /** Control groups to make and enter first: two containers in one take each other's for theirs. */
  readonly groups: readonly string[];
  /** Further options of systemd-nspawn. */
  readonly options: readonly string[];
  /** What runs in it. */
  readonly program: readonly string[];
};

const ENTER_GROUPS =
  'while [ "$1" != -- ]; do mkdir -p "$1"; echo 0 > "$1/cgroup.procs"; shift; done; shift; exec "$@"';

/** The command that runs a program in a container which nothing but this command knows of. */
export function containerArgv(container: ContainerOptions): readonly string[] {
  const { root, folders, groups, options, program } = container;
  return [
    ...["sh", "-euc", ENTER_GROUPS, "sh", ...groups, "--"],
    ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no"],
    ...["--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe"],
    `--directory=${root}`,
    ...folders.map((folder) => `--bind-ro=${folder}`),
    ...options,
    ...program,
  ];
}

/** What systemd-nspawn started as process 1 of the container: not the helper that prepares it. */
export async function firstProcess(container: ProcessHandle): Promise<number> {
  return await eventually(
    "a process 1 of a container",
    async () => {
      if (container.exit !== undefined) {
        const said = `${container.stdout()}${container.stderr()}`.slice(-2000);
        throw new HarnessError("host", `systemd-nspawn ended: ${said}`);
      }
      const { pid } = container;
      const path = `/proc/${pid}/task/${pid}/children`;
      const children = await readFile(path, "utf8").catch(() => "");
      for (const child of children.split(" ").filter((one) => one !== "")) {
        const status = await readFile(`/proc/${child}/status`, "utf8").catch(() => "");
        if (/^NSpid:.*\s1$/m.test(status)) return Number(child);
      }
      return undefined;
    },
    { timeoutMs: 20_000 },
  );
}
