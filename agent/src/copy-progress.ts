/** What copies moved, added up over the copies of one attempt. Pure. */
import type { CopyProgress, Missing } from "./ports/nix.ts";

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

/**
 * A copy on top of those before it. nix ends a path that failed as it ends one that arrived, so the
 * number of paths only holds once the copy is over; announced bytes are rounded and give way to what came.
 */
export function onTopOf(before: CopyProgress, moved: CopyProgress): CopyProgress {
  const ended = before.pathsDone + moved.pathsDone;
  const pathsTotal = before.pathsTotal || before.pathsDone + moved.pathsTotal;
  const bytesDone = before.bytesDone + moved.bytesDone;
  const bytesTotal = Math.max(before.bytesTotal, moved.bytesTotal);
  return {
    pathsDone: Math.min(ended, pathsTotal),
    pathsTotal,
    bytesDone,
    bytesTotal: bytesTotal === 0 ? 0 : Math.max(bytesTotal, bytesDone),
  };
}

/** Once a copy is over: so many paths are still missing; undefined: nobody knows. */
export function withMissing(progress: CopyProgress, missing: number | undefined): CopyProgress {
  if (missing === undefined) return progress;
  const pathsTotal = Math.max(progress.pathsTotal, missing);
  return { ...progress, pathsTotal, pathsDone: pathsTotal - missing };
}
