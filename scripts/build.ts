// npm run build: one file for each program, in its package's dist. What ships is a bundle, since
// Node strips no types from files under node_modules.
import { rm } from "node:fs/promises";

import { build } from "rolldown";

import { leanBuiltins } from "./lean-builtins.ts";

const PROGRAMS = [
  { name: "nix-ota-server", folder: "services" },
  { name: "nix-ota-agent", folder: "agent" },
  { name: "nix-ota", folder: "cli" },
];

for (const { name, folder } of PROGRAMS) {
  await rm(`${folder}/dist`, { recursive: true, force: true });
  await build({
    input: `${folder}/src/main.ts`,
    platform: "node",
    plugins: [leanBuiltins()],
    // PGlite finds its WebAssembly and data files beside itself.
    external: [/^@electric-sql\/pglite/],
    output: {
      format: "esm",
      file: `${folder}/dist/${name}.mjs`,
      codeSplitting: false,
      minify: true,
    },
  });
}
