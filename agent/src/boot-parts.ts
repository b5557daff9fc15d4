import type { BootPart } from "./ports/links.ts";
import type { Ports } from "./ports/ports.ts";

const BOOT_PARTS: readonly BootPart[] = ["kernel", "initrd", "kernel-modules"];

/** Whether a system has parts that only a reboot brings up: another kernel, initrd or kernel parameters. */
export async function rebootRequired(
  { links }: Pick<Ports, "links">,
  storePath: string,
): Promise<boolean> {
  const booted = (await links.booted()) || (await links.running());
  for (const part of BOOT_PARTS) {
    if ((await links.part(booted, part)) !== (await links.part(storePath, part))) return true;
  }
  const parameters = async (system: string) => await links.systemFile(system, "kernel-params");
  return (await parameters(booted)) !== (await parameters(storePath));
}
