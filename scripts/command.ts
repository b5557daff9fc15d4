import { spawn } from "node:child_process";

/** How a command ended: what it printed on both outputs, cut to its last `OUTPUT_BYTES`. */
export type Ending = { ok: boolean; output: string; ms: number };

export type Options = {
  /** After so long the command and all that it started is killed, and has failed. */
  limitMs: number;
  /** Whether the output goes to this process's own instead of being kept. Default: kept. */
  passThrough?: boolean;
  env?: NodeJS.ProcessEnv;
};

const OUTPUT_BYTES = 1 << 20;
const GRACE_MS = 10_000;

/**
 * Runs a command in a process group of its own, without input, to its end.
 *
 * It never throws: a command that is not there, that fails, runs too long or dies of a signal is
 * an ending that is not `ok` and whose output says which of these it was. A SIGINT or SIGTERM to
 * this process goes to the group, which has ten seconds to clean up, and then takes its effect.
 */
export async function run(argv: readonly string[], options: Options): Promise<Ending> {
  const [program = "", ...args] = argv;
  const started = performance.now();
  let told: NodeJS.Signals | undefined;
  const passOn = (signal: NodeJS.Signals): void => {
    told = signal;
    signalGroup(child.pid, signal);
    setTimeout(signalGroup, GRACE_MS, child.pid, "SIGKILL").unref();
  };
  // Ahead of the child, so that no signal finds one of which nobody takes care. Handlers run from
  // the event loop: never before the child is there.
  process.on("SIGINT", passOn).on("SIGTERM", passOn);
  const child = spawn(program, args, {
    detached: true,
    env: options.env ?? process.env,
    stdio:
      options.passThrough === true ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
  });
  let output = Buffer.alloc(0);
  const keep = (chunk: Buffer): void => {
    output = Buffer.concat([output, chunk]).subarray(-OUTPUT_BYTES);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  let tooLong = false;
  const limit = setTimeout(() => {
    tooLong = true;
    signalGroup(child.pid, "SIGKILL");
  }, options.limitMs);

  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`cannot be run: ${error.message}`));
    child.once("close", (code, signal) => {
      if (tooLong) resolve(`was not through after ${options.limitMs} ms and was killed`);
      else resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`);
    });
  });

  clearTimeout(limit);
  process.off("SIGINT", passOn).off("SIGTERM", passOn);
  signalGroup(child.pid, "SIGKILL");
  if (told !== undefined) process.kill(process.pid, told);
  const said = output.toString();
  return {
    ok: failure === undefined,
    output: failure === undefined ? said : `${said}${program} ${failure}\n`,
    ms: performance.now() - started,
  };
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left to be told.
  }
}
