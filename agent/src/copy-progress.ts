/** What copies moved, added up over the copies of one attempt. Pure. */
import type { CopyProgress, Missing } from "./ports.ts";

export const nothingMoved: CopyProgress = {
  pathsDone: 0,
  pathsTotal: 0,
  bytesDone: 0,
  bytesTotal: 0,
};

/** Before the first copy: what is to be moved, as the caches announce it. */
export const toBeMoved = (missing: Missing): CopyProgress => ({
  ...nothingMoved,
  pathsTotal: missing.paths,
  bytesTotal: missing.downloadBytes,
});

/** A copy on top of those before it. Announced totals are rounded, so they give way to what came. */
export function onTopOf(before: CopyProgress, moved: CopyProgress): CopyProgress {
  const bytesDone = before.bytesDone + moved.bytesDone;
  const bytesTotal = Math.max(before.bytesTotal, moved.bytesTotal);
  return {
    pathsDone: before.pathsDone + moved.pathsDone,
    pathsTotal: Math.max(before.pathsTotal, before.pathsDone + moved.pathsTotal),
    bytesDone,
    bytesTotal: bytesTotal === 0 ? 0 : Math.max(bytesTotal, bytesDone),
  };
}
