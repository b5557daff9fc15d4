// npm run build: each program in its package's dist. What ships is a bundle, since Node strips no
// types from files under node_modules.
import { rm } from "node:fs/promises";

import { bundle, bundleAgent } from "./bundle.ts";

for (const folder of ["services", "agent", "cli"]) {
  await rm(`${folder}/dist`, { recursive: true, force: true });
}
await bundle("services/src/main.ts", "services/dist/nix-ota-server.mjs");
await bundleAgent("agent/dist");
await bundle("cli/src/main.ts", "cli/dist/nix-ota.mjs");
