const DAY_MS = 86_400_000;
/** Days of 400 years of the Gregorian calendar, after which it repeats. */
const CYCLE_DAYS = 146_097;
/** Days from 1 March 0000 to 1 January 1970. */
const EPOCH_DAYS = 719_468;

/**
 * The moment `epochMs` milliseconds after 1970 in ISO 8601, as `Date.toISOString` spells it. Pure.
 *
 * @param epochMs whole milliseconds; of the years 0 to 9999, beyond which ISO 8601 spells otherwise.
 *
 * A `Date` first finds out which time zone the device is in, though none is asked for, and where
 * nothing says so it reads every zone there is: half of what a quiet poll costs.
 */
export function isoTime(epochMs: number): string {
  const day = Math.floor(epochMs / DAY_MS);
  const { year, month, date } = dateOf(day);
  const ms = epochMs - day * DAY_MS;
  const part = (unitMs: number, units: number) => Math.floor(ms / unitMs) % units;
  const time = [part(3_600_000, 24), part(60_000, 60), part(1000, 60)].map((n) => digits(n, 2));
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(date, 2)}T${time.join(":")}.${digits(ms % 1000, 3)}Z`;
}

/** Years are counted from March, so that a leap day is the last of its year. */
function dateOf(day: number): { year: number; month: number; date: number } {
  const days = day + EPOCH_DAYS;
  const cycle = Math.floor(days / CYCLE_DAYS);
  const ofCycle = days - cycle * CYCLE_DAYS;
  const leapDays = (d: number) =>
    Math.floor(d / 1460) - Math.floor(d / 36_524) + Math.floor(d / (CYCLE_DAYS - 1));
  const yearOfCycle = Math.floor((ofCycle - leapDays(ofCycle)) / 365);
  const dayOfYear =
    ofCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  // From March on, five months always have 153 days.
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return {
    year: cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0),
    month,
    date: dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1,
  };
}

const digits = (value: number, length: number) => String(value).padStart(length, "0");
