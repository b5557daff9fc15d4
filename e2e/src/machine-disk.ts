import { eventually } from "./eventually.ts";
import { expectSuccess, runCommand } from "./run-command.ts";

/** Makes the image of an ext4 file system: an empty one, or a copy of an image that nobody uses any more. */
export async function makeDisk(
  image: string,
  content: { readonly mebibytes: number } | { readonly copyOf: string },
): Promise<void> {
  if ("mebibytes" in content) {
    await succeed(["truncate", "-s", `${content.mebibytes}M`, image]);
    await succeed(["mkfs.ext4", "-q", "-m", "0", image]);
    return;
  }
  const { copyOf } = content;
  // The kernel unmounts in its own time what a machine that ended had mounted.
  await eventually(`the end of all use of ${copyOf}`, async () => {
    const { stdout } = await runCommand(["losetup", "--associated", copyOf]);
    return stdout.trim() === "" ? true : undefined;
  });
  await succeed(["cp", "--sparse=always", copyOf, image]);
}

/** Runs a command of the host that must succeed. */
export async function succeed(argv: readonly string[]): Promise<void> {
  expectSuccess(argv, await runCommand(argv));
}
