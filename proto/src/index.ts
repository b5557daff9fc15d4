// The package's front door: what every part needs to sign and to judge. The
// rest is imported by its file, e.g. `@nix-ota/proto/listing`.
export { verifyEd25519 } from "./ed25519.ts";
export { openManifest } from "./gate.ts";
export type { Verdict } from "./gate.ts";
export { UNCHECKED } from "./policy.ts";
export type { ManifestRef, Policy } from "./policy.ts";
export type { RejectCodeName } from "./reject-code.ts";
export { signManifest } from "./signed-manifest.ts";
