/**
 * Weekly windows in which a device may be changed. Pure.
 *
 * A window is open exactly while the clock on the wall, in the window's zone, shows a time in it. So
 * one that lies in the hour that is skipped when clocks go forward does not open that day, and one in
 * the hour that comes twice is open twice: never is a device changed at a time that its owner did
 * not name.
 */
export const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
export type Day = (typeof DAYS)[number];

export interface Window {
  /** Days on which it opens; it may end on the day after. */
  readonly days: readonly Day[];
  /** `HH:MM`, 00:00 to 23:59. */
  readonly from: string;
  /** `HH:MM`, 00:00 to 24:00, not included. Not after `from`: on the day after. */
  readonly to: string;
  /** IANA name, e.g. `Europe/Oslo`. */
  readonly zone: string;
}

const MINUTE = 60;
const DAY = 24 * 60 * MINUTE;

/** Longest way to an opening: a week, and another where the skipped hour swallowed the window. */
const HORIZON_DAYS = 15;

/** Whether any of the windows is open; without windows it always is. */
export function isOpen(windows: readonly Window[], atS: number): boolean {
  return windows.length === 0 || windows.some((window) => opens(window, atS));
}

/** The next moment with an open window, which may be this one; undefined: none within two weeks. */
export function nextOpening(windows: readonly Window[], atS: number): number | undefined {
  if (isOpen(windows, atS)) return atS;
  const openings = windows.flatMap((window) =>
    beginnings(window, atS).filter((beginS) => beginS > atS && opens(window, beginS)),
  );
  return openings.length === 0 ? undefined : Math.min(...openings);
}

/** Whether the platform knows the zone. */
export function isZone(zone: string): boolean {
  try {
    // A bare offset would pass as well, but has no changes to follow.
    return /^[A-Z]/i.test(zone) && clockOf(zone) !== undefined;
  } catch {
    return false;
  }
}

function opens({ days, from, to, zone }: Window, atS: number): boolean {
  const wallS = atS + offsetS(zone, atS);
  const time = mod(wallS, DAY);
  const today = weekday(wallS);
  const [begin, end] = [secondOf(from), secondOf(to)];
  if (begin < end) return days.includes(today) && time >= begin && time < end;
  return (
    (days.includes(today) && time >= begin) || (days.includes(weekday(wallS - DAY)) && time < end)
  );
}

/** Moments at which the window may open: its own time on each day, and changes of the clock. */
function beginnings({ from, zone }: Window, atS: number): readonly number[] {
  const midnight = Math.floor((atS + offsetS(zone, atS)) / DAY) * DAY;
  return Array.from({ length: HORIZON_DAYS + 2 }, (_, index) => index - 1).flatMap((days) => {
    const wallS = midnight + days * DAY + secondOf(from);
    const [earlier, later] = [wallS - DAY, wallS + DAY];
    const offsets = [offsetS(zone, earlier), offsetS(zone, later)] as const;
    if (offsets[0] === offsets[1]) return [wallS - offsets[0]];
    return [wallS - offsets[0], wallS - offsets[1], changeBetween(zone, earlier, later)];
  });
}

/** The second at which the zone's offset changes. */
function changeBetween(zone: string, earlierS: number, laterS: number): number {
  const before = offsetS(zone, earlierS);
  let [low, high] = [earlierS, laterS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetS(zone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** What the wall clock is ahead of UTC. */
function offsetS(zone: string, atS: number): number {
  const parts = Object.fromEntries(
    clockOf(zone)
      .formatToParts(atS * 1000)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - atS;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Building one reads the zone's tables, so each is kept. */
function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  const clock = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  clocks.set(zone, clock);
  return clock;
}

// 1970-01-01 was a Thursday.
const weekday = (wallS: number): Day => DAYS[mod(Math.floor(wallS / DAY) + 4, 7)] ?? "Thu";

const mod = (value: number, by: number) => ((value % by) + by) % by;

function secondOf(time: string): number {
  const [hours = "", minutes = ""] = time.split(":");
  return (Number(hours) * 60 + Number(minutes)) * MINUTE;
}
