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

/**
 * Runs a command in a process group of its own, without input, to its end.
 *
 * It never throws: a command that is not there, that fails, runs too long or dies of a signal is
 * an ending that is not `ok` and whose output says which of these it was. When this process is
 * told to stop it stops the group and then itself.
 */
export async function run(argv: readonly string[], options: Options): Promise<Ending> {
  const [program = "", ...args] = argv;
  const started = performance.now();
  const child = spawn(program, args, {
    detached: true,
    env: options.env ?? process.env,
    stdio:
      options.passThrough === true ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
  });
  const stop = (): void => killGroup(child.pid);
  const stopBoth = (signal: NodeJS.Signals): void => {
    stop();
    process.kill(process.pid, signal);
  };
  process.once("SIGINT", stopBoth).once("SIGTERM", stopBoth);
  let output = Buffer.alloc(0);
  const keep = (chunk: Buffer): void => {
    output = Buffer.concat([output, chunk]).subarray(-OUTPUT_BYTES);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  let tooLong = false;
  const limit = setTimeout(() => {
    tooLong = true;
    stop();
  }, options.limitMs);

  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`cannot be run: ${error.message}`));
    child.once("close", (code, signal) => {
      if (tooLong) resolve(`was not through after ${options.limitMs} ms and was killed`);
      else resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`);
    });
  });

  clearTimeout(limit);
  process.off("SIGINT", stopBoth).off("SIGTERM", stopBoth);
  stop();
  const said = output.toString();
  return {
    ok: failure === undefined,
    output: failure === undefined ? said : `${said}${program} ${failure}\n`,
    ms: performance.now() - started,
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of the group is left, which is what was wanted.
  }
}
