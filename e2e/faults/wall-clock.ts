/**
 * Loaded before an agent with `--import`: its wall clock is off by as many seconds as the file named
 * by WALL_CLOCK_OFFSET holds, read at every look, so that a test can step it. Only this process is
 * lied to, and its monotonic clock is right.
 */
import { readFileSync } from "node:fs";

const file = process.env["WALL_CLOCK_OFFSET"] ?? "";
const RealDate = Date;

const now = () => {
  const seconds = Number(readFileSync(file, "utf8"));
  return RealDate.now() + seconds * 1000;
};

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: unknown[], as) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, as) as Date,
  get: (target, key, receiver) =>
    key === "now" ? now : (Reflect.get(target, key, receiver) as unknown),
});
