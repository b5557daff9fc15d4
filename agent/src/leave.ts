import type { Agent } from "./agent.ts";
import type { Config } from "./config.ts";
import { leftMs, worthKeeping, wound } from "./countdown.ts";
import type { ClockReading } from "./countdown.ts";
import { asOne, holdsOf } from "./hold.ts";
import type { Hold, HoldFacts } from "./hold.ts";
import type { Clock } from "./ports/clock.ts";
import type { Ports } from "./ports/ports.ts";
import type { Postponements } from "./ports/records.ts";
import type { StateName } from "./states.ts";
import { certainTimeS } from "./trusted-time.ts";
import { windowTimeS } from "./window-time.ts";

/** A running postponement is written so often: a reboot costs it no more. */
const KEEP_EVERY_MS = 10 * 60 * 1000;

/** States in which an update changes the device: nothing that it would disturb may begin. */
export const CHANGING: ReadonlySet<StateName> = new Set([
  "armed",
  "activating",
  "probation",
  "committing",
  "rollingBack",
]);

/**
 * Whether the device may be changed at this moment: window, inhibitors, files and postponement. With
 * leave (undefined) no program can begin to inhibit any more, until the run loop finds the device at rest.
 */
export async function takeLeave(agent: Agent): Promise<Hold | undefined> {
  const { inhibition } = agent.ports;
  const free = inhibition.close();
  const hold = asOne(
    holdsOf({ ...(await holdFacts(agent)), inhibited: !free }, agent.config.settings.staged),
  );
  if (hold !== undefined && free) inhibition.reopen();
  return hold;
}

/** The same, for a reboot that nobody asked for: without windows there is no time for it. */
export async function mayRebootNow(agent: Agent): Promise<Hold | undefined> {
  if (agent.config.windows.length > 0) return await takeLeave(agent);
  return {
    reason: "a reboot needs a window, and none is configured; set `windows`, or reboot by hand",
    lookAgainMs: agent.config.settings.staged.holdsMs,
  };
}

/** What holds by the device's own records, a sentence each. A clock that only the server could tell right says nothing of windows here. */
export async function holdsForStatus(
  ports: Pick<Ports, "clock" | "inhibition" | "postponements">,
  config: Config,
): Promise<readonly string[]> {
  const now = await readClocks(ports.clock);
  const inhibitors = await ports.inhibition.inhibitors();
  const facts = {
    windows: now.wallS === undefined ? [] : config.windows,
    windowTimeS: now.wallS,
    postponement: await ports.postponements.read(),
    now,
    files: await ports.inhibition.present(config.inhibitFiles),
    inhibited: inhibitors.length > 0,
    inhibitors,
  };
  return holdsOf(facts, config.settings.staged).map(({ reason }) => reason);
}

async function holdFacts(agent: Agent): Promise<Omit<HoldFacts, "inhibited">> {
  const { ports, config, contact, notebook } = agent;
  const { clock, inhibition } = ports;
  const synchronized = await clock.synchronized();
  const wallS = clock.wallS();
  const now = await readClocks(clock);
  return {
    windows: config.windows,
    windowTimeS: windowTimeS({
      wallS,
      synchronized,
      server: contact.clock,
      nowMs: now.ms,
      certainS: certainTimeS({
        signedTimeS: notebook.trust.signedTimeS,
        builtAtS: config.settings.clock.builtAtS,
        wallS,
        synchronized: false,
      }),
    }),
    now,
    postponement: await keptPostponement(ports.postponements, now),
    files: await inhibition.present(config.inhibitFiles),
    inhibitors: await inhibition.inhibitors(),
  };
}

export async function readClocks(clock: Clock): Promise<ClockReading> {
  const reading = { bootId: await clock.bootId(), ms: clock.monotonicMs() };
  return (await clock.synchronized()) ? { ...reading, wallS: clock.wallS() } : reading;
}

/** The postponement, counted on over reboots, and gone when its time is over. */
async function keptPostponement(postponements: Postponements, now: ClockReading) {
  const postponement = await postponements.read();
  if (postponement === undefined) return undefined;
  const { countdown } = postponement;
  if (leftMs(countdown, now) === 0) {
    await postponements.replace(postponement, undefined);
    return undefined;
  }
  if (worthKeeping(countdown, now, KEEP_EVERY_MS)) {
    const kept = { ...postponement, countdown: wound(countdown, now) };
    await postponements.replace(postponement, kept);
    return kept;
  }
  return postponement;
}
