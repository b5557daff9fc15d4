import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Fault } from "../fault.ts";
import type { Subject } from "../subject.ts";

const LIMITS = {
  nix: { commandMs: 2_500, closureMs: 2_500 },
  fetch: { stallMs: 2_500, totalMs: 6_000 },
  probation: { runMs: 1_500 },
  activation: { limitMs: 3_000 },
};

/** External commands, each of which hangs once. */
export const hangs = {
  nixHangs: hanging("nix"),
  nixStoreHangs: { ...hanging("nix-store"), never: "NO_WAY_BACK" },
  nixEnvHangs: hanging("nix-env"),
  syncHangs: hanging("sync"),
  flockHangs: hanging("flock"),
  shHangs: hanging("sh"),
} as const satisfies Record<string, Fault>;

function hanging(program: string): Fault {
  return {
    says: `\`${program}\` hangs`,
    config: { settings: LIMITS },
    prepare: async (subject) => await subject.shadow({ [program]: onceHanging(subject, program) }),
    strike: async (subject) => await writeFile(lure(subject), ""),
  };
}

const lure = (subject: Subject) => join(subject.device.dir, "hang");

/** The version is asked for with each report, which is not what is meant. */
const onceHanging = (subject: Subject, program: string) => `#!/bin/sh
case "\${1:-}" in
  --version) ;;
  *) if /bin/rm "${lure(subject)}" 2>/dev/null; then exec /bin/sleep 100000; fi ;;
esac
exec /usr/bin/${program} "$@"
`;
