/**
 * How many devices may come without an enrolment token, so that a stranger
 * cannot fill the database with ids.
 */
export interface OpenEnrolmentLimits {
  /** Within an hour, over all channels and replicas. */
  readonly perHour: number;
  /** All together, until some are forgotten. */
  readonly most: number;
}

/** How many came. */
export interface OpenEnrolmentCount {
  readonly deviceCount: bigint;
  /** Those of them that came since the window began. */
  readonly windowCount: number;
  readonly windowBeganMs: number;
}

/** Whether one more may come. */
export type OpenEnrolmentVerdict =
  | { readonly kind: "admitted"; readonly counted: OpenEnrolmentCount }
  | { readonly kind: "full" }
  /** Milliseconds until the next window begins. */
  | { readonly kind: "too-many-an-hour"; readonly untilMs: number };

const WINDOW_MS = 60 * 60_000;

/** Counts one more device, unless there are as many as may be. */
export function countOpenEnrolment(
  count: OpenEnrolmentCount,
  { perHour, most }: OpenEnrolmentLimits,
  nowMs: number,
): OpenEnrolmentVerdict {
  const { deviceCount, windowCount, windowBeganMs } = count;
  if (deviceCount >= most) return { kind: "full" };
  const untilMs = windowBeganMs + WINDOW_MS - nowMs;
  // A window that lies ahead is a clock's that went back.
  const isOver = untilMs <= 0 || untilMs > WINDOW_MS;
  if (!isOver && windowCount >= perHour) return { kind: "too-many-an-hour", untilMs };
  return {
    kind: "admitted",
    counted: {
      deviceCount: deviceCount + 1n,
      windowCount: isOver ? 1 : windowCount + 1,
      windowBeganMs: isOver ? nowMs : windowBeganMs,
    },
  };
}
