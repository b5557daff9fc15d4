import type { Ports } from "./ports/ports.ts";

/** The boot that goes on, and what it started; before any activation told, what runs. */
export async function bootedNow({ clock, links }: Pick<Ports, "clock" | "links">): Promise<{
  readonly bootId: string;
  readonly booted: string;
  readonly running: string;
}> {
  const running = await links.running();
  return { bootId: await clock.bootId(), booted: (await links.booted()) || running, running };
}
