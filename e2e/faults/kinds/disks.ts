import type { Fault } from "../fault.ts";
import type { Subject } from "../subject.ts";

/** Disks without a byte left; each is a file system of its own for that. */
export const disks = {
  nixFull: full("/nix", "/nix is full"),
  bootFull: full("/boot", "/boot is full"),
  stateFull: full(({ device }) => device.stateDir, "the state directory is full"),
} as const satisfies Record<string, Fault>;

function full(where: string | ((subject: Subject) => string), says: string): Fault {
  const of = (subject: Subject) => (typeof where === "string" ? where : where(subject));
  return {
    says,
    // Nix that cannot tell does not mean that the way back is gone.
    never: "NO_WAY_BACK",
    lasts: "until it moves",
    config: { settings: { rollback: { retryMs: 1_000 } } },
    prepare: async (subject) => {
      await subject.device.run(["sh", "-euc", ON_ITS_OWN, "sh", of(subject)]);
    },
    strike: async (subject) => {
      await subject.device.run(["sh", "-euc", FULL, "sh", of(subject)]);
      return async () => {
        await subject.device.run(["mount", "-o", `remount,${ROOMY}`, of(subject)]);
      };
    },
  };
}

const ROOMY = "size=200m,nr_inodes=100000";

const ON_ITS_OWN = `
copy=$(mktemp -d)
cp -a "$1/." "$copy"
mount -t tmpfs -o ${ROOMY},mode=755 tmpfs "$1"
cp -a "$copy/." "$1"
chmod -R u+w "$copy"
rm -rf "$copy"
`;

/** A limit at what is used leaves no byte; names are still to be had, as on most full disks. */
const FULL = `
kib=$(($(df --output=used -k "$1" | tail -n 1)))
mount -o "remount,size=\${kib}k" "$1"
`;
