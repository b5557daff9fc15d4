import { basename } from "node:path";

import { build } from "rolldown";

import { leanBuiltins } from "./lean-builtins.ts";

/**
 * One file that node runs, from a program and all that it imports.
 *
 * @param apart a module that the program loads only when it needs it, and the file beside it in
 *   which that is: node reads every byte of a file that it starts.
 */
export async function bundle(
  input: string,
  file: string,
  apart?: { readonly module: string; readonly file: string },
): Promise<void> {
  await build({
    input,
    platform: "node",
    plugins: [
      leanBuiltins(),
      {
        name: "apart",
        resolveId: (id) =>
          apart !== undefined && basename(id) === basename(apart.module)
            ? { id: `./${basename(apart.file)}`, external: true }
            : undefined,
      },
    ],
    // PGlite finds its WebAssembly and data files beside itself.
    external: [/^@electric-sql\/pglite/],
    output: { format: "esm", file, codeSplitting: false, minify: true },
  });
}

/** The agent: the program that a timer starts, and all the rest. */
export async function bundleAgent(directory: string): Promise<string> {
  const program = `${directory}/nix-ota-agent.mjs`;
  const whole = { module: "agent/src/command-line.ts", file: `${directory}/whole-agent.mjs` };
  await bundle("agent/src/main.ts", program, whole);
  await bundle(whole.module, whole.file);
  return program;
}
