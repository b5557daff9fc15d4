const UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/** `640 B`, `12.5 KiB`, `4.2 MiB`. */
export function byteText(bytes: bigint | number): string {
  let amount = Number(bytes);
  if (Math.abs(amount) < 1024) return `${amount} B`;
  let unit: string = UNITS[0];
  for (const next of UNITS) {
    amount /= 1024;
    unit = next;
    // 1023.95 would print as 1024.0 of the smaller unit.
    if (Math.abs(amount) < 1023.95) break;
  }
  return `${amount.toFixed(1)} ${unit}`;
}

/** `+3.1 MiB`, `−640 B`, `±0 B`. */
export function byteChangeText(bytes: bigint | number): string {
  const amount = Number(bytes);
  if (amount === 0) return "±0 B";
  return `${amount > 0 ? "+" : "−"}${byteText(Math.abs(amount))}`;
}

const STEPS = [
  { seconds: 60, name: "s" },
  { seconds: 3600, name: "min" },
  { seconds: 86_400, name: "h" },
  { seconds: Number.POSITIVE_INFINITY, name: "d" },
] as const;

/** `just now`, `5 min ago`, `in 3 d`; `–` for a time that is not known. */
export function relativeTime(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined) return "–";
  const seconds = Math.trunc((nowMs - atMs) / 1000);
  const distance = Math.abs(seconds);
  if (distance < 2) return "just now";
  let divisor = 1;
  for (const step of STEPS) {
    if (distance < step.seconds) {
      const amount = `${Math.trunc(distance / divisor)} ${step.name}`;
      return seconds > 0 ? `${amount} ago` : `in ${amount}`;
    }
    divisor = step.seconds;
  }
  return "–";
}

/** `0 s`, `4 min 12 s`, `2 h 5 min`. */
export function durationText(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  const [minutes, hours] = [Math.trunc(seconds / 60), Math.trunc(seconds / 3600)];
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return `${minutes} min ${seconds % 60} s`;
  return `${hours} h ${minutes % 60} min`;
}

/** `r42`; `–` for 0, which stands for no revision. */
export function revisionText(revision: bigint): string {
  return revision === 0n ? "–" : `r${revision}`;
}

/** `1 path`, `3 paths`. */
export function countOf(count: number | bigint, noun: string): string {
  return `${count} ${noun}${Number(count) === 1 ? "" : "s"}`;
}
