const KINDS = new Set(["ProcessWrap", "TCPServerWrap", "TCPSocketWrap", "Timeout"]);

// One for all files that share a process. Taken before the first of them, since the runner has
// timers of its own while tests run: a count taken then would hide as many that a file leaves.
let expected = open();

/** Handles that keep the process alive and that no file before this one was blamed for. */
export function leftOpen(): string[] {
  return [...open()].flatMap(([kind, count]) => {
    const surplus = count - (expected.get(kind) ?? 0);
    return surplus > 0 ? [`${surplus} ${kind}`] : [];
  });
}

/** What is open belongs to a file that was told so; the next one is not blamed for it. */
export function blameNoOther(): void {
  expected = open();
}

function open(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (KINDS.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
