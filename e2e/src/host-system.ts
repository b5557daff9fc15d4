/** This machine's system as nix spells it: what the builder builds for and devices run. */
export const HOST_SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";

/** A system that this machine is not. */
export const OTHER_SYSTEM = process.arch === "arm64" ? "x86_64-linux" : "aarch64-linux";
