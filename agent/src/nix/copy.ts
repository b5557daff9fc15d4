import { AgentError } from "../agent-error.ts";
import { nothingMoved, onTopOf } from "../copy-progress.ts";
import type { Failure } from "../failure.ts";
import type { Clock } from "../ports/clock.ts";
import type { Space } from "../ports/host.ts";
import type { Copy, CopyProgress } from "../ports/nix.ts";
import { copyFailure, moreTelling } from "./copy-failure.ts";
import type { CopyLimits } from "./copy-guard.ts";
import { atRate, copyGuard } from "./copy-guard.ts";
import { keepPace } from "./keep-pace.ts";
import type { NixCall, NixTool } from "./nix-tool.ts";
import { progressReader } from "./progress.ts";

export interface CopySettings extends Omit<CopyLimits, "budgetBytes"> {
  /** Share of the announced NAR size that compressed downloads may reach, percent. */
  readonly budgetPercent: number;
  /** Bytes on top of that share. */
  readonly budgetSlackBytes: number;
  /** Most bytes a second; 0: as many as come. */
  readonly bytesPerS: number;
  /** How often the guard looks. */
  readonly sampleMs: number;
}

interface Surroundings {
  readonly nix: NixTool;
  readonly clock: Clock;
  readonly space: Space;
  readonly settings: CopySettings;
}

/**
 * Copies a closure: from the first cache alone, which is quick where it has all of it, else path by
 * path from whichever cache has it. Paths that arrived stay, so the second goes on where the first
 * ended. Undefined: the path is valid.
 */
export async function copyClosure(
  around: Surroundings,
  copy: Copy,
  isValid: () => Promise<boolean>,
  onProgress: (progress: CopyProgress) => void,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const [first, ...others] = copy.substituters;
  if (first === undefined) {
    return {
      code: "NOT_IN_CACHE",
      message: "neither the manifest nor the device names a cache; set cacheUrl",
    };
  }
  let moved = nothingMoved;
  const alone = await attempt(
    around,
    copy,
    copyFrom(first, copy.storePath),
    (progress) => onProgress((moved = progress)),
    signal,
  );
  if (alone === undefined && (await isValid())) return undefined;
  const failure = alone ?? nothingCopied(copy.storePath, first);
  // A second cache helps neither a full disk nor a limit of the whole copy.
  if (others.length === 0 || ["NO_SPACE", "TOO_MUCH_DATA"].includes(failure.code)) return failure;

  const together = await attempt(
    around,
    copy,
    realise(copy),
    (progress) => onProgress(onTopOf(moved, progress)),
    signal,
  );
  if (together === undefined && (await isValid())) return undefined;
  return moreTelling(together ?? nothingCopied(copy.storePath, "the caches"), failure);
}

/** nix 2.8 exits with 0 and copies nothing when a narinfo names another path. */
const nothingCopied = (storePath: string, from: string): Failure => ({
  code: "NOT_IN_CACHE",
  message: `${from} did not give ${storePath}; upload the whole closure before publishing`,
});

const copyFrom = (url: string, storePath: string): NixCall => ({
  program: "nix",
  copies: true,
  arguments: ["copy", "--from", url, "--refresh", "--log-format", "internal-json"],
  paths: [storePath],
});

const realise = ({ substituters, storePath }: Copy): NixCall => ({
  program: "nix-store",
  copies: true,
  arguments: ["--realise", "--log-format", "internal-json"],
  substituters,
  paths: [storePath],
});

async function attempt(
  { nix, clock, space, settings }: Surroundings,
  copy: Copy,
  call: NixCall,
  onProgress: (progress: CopyProgress) => void,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const reader = progressReader(0, 0);
  const bytesPerS = copy.atHand === true ? 0 : settings.bytesPerS;
  const pacer = keepPace(clock, bytesPerS, () => reader.progress.bytesDone, signal);
  const sample = async () => ({
    nowMs: clock.monotonicMs(),
    bytesDone: reader.progress.bytesDone,
    activity: reader.activity + pacer.rests(),
    freeBytes: (await space.free("/nix")).freeBytes,
  });
  const budgetBytes =
    copy.closureBytes === 0
      ? 0
      : (copy.closureBytes * settings.budgetPercent) / 100 + settings.budgetSlackBytes;
  const limits = atRate({ ...settings, budgetBytes }, bytesPerS, copy.closureBytes);
  const judge = copyGuard(limits, await sample());

  const given = new AbortController();
  const ended = nix(
    {
      ...call,
      limitMs: limits.totalMs,
      onStart: pacer.begin,
      onErrorLine: (line) => {
        reader.read(line);
        pacer.look();
      },
    },
    AbortSignal.any([signal, given.signal]),
  );
  let failure: Failure | undefined;
  const over = ended.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([over, clock.sleep(settings.sampleMs, signal).then(falsy, falsy)]))) {
    onProgress(reader.progress);
    failure ??= judge(await sample());
    if (failure !== undefined) given.abort();
    if (signal.aborted || failure !== undefined) break;
  }
  const { how, code } = await ended;
  onProgress(reader.progress);
  signal.throwIfAborted();
  if (failure !== undefined) return failure;
  if (how === "exited" && code === 0) return undefined;
  if (how === "not started")
    throw new AgentError("tool", `${call.program} cannot be started`, reader.errors.at(-1));
  if (how === "timed out")
    return {
      code: "CACHE_STALLED",
      message: "the copy took too long; check the cache and the network",
    };
  const said = copyFailure(code, reader.errors);
  const found = said.code !== "NOT_IN_CACHE" || reader.untrusted === undefined;
  return found ? said : copyFailure(code, [reader.untrusted]);
}

const falsy = () => false;
