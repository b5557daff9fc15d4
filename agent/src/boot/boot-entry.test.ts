import { expect, test } from "vitest";

import { entryOf, startsOnce } from "./boot-entry.ts";

const SYSTEM = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-a";
const entry = (id: string, options: string) => JSON.stringify({ id, title: "NixOS", options });
const entries = [
  entry("auto-windows", ""),
  entry("nixos-abc.conf", `init=${SYSTEM}2/init loglevel=4`),
  entry("nixos-def.conf", `loglevel=4 init=${SYSTEM}/init`),
];

test("an entry is found by the init that it starts, in both shapes that bootctl prints", () => {
  expect(entryOf(entries.join("\n"), SYSTEM)).toBe("nixos-def.conf");
  expect(entryOf(`[${entries.join(",")}]`, SYSTEM)).toBe("nixos-def.conf");
});

test("what is no list of entries has none", () => {
  expect(entryOf("", SYSTEM)).toBeUndefined();
  expect(entryOf("Failed to read entries\n[1]\nnull", SYSTEM)).toBeUndefined();
  expect(entryOf(entry("other.conf", "init=/nix/store/x/init"), SYSTEM)).toBeUndefined();
});

test("a loader starts entries once if its status says so", () => {
  const status = (mark: string) =>
    `Current Boot Loader:\n     Product: systemd-boot 252\n    Features: ✓ Boot counting\n              ✓ One-shot menu timeout control\n              ${mark} One-shot entry control\n`;
  expect(startsOnce(status("✓"))).toBe(true);
  expect(startsOnce(status("+"))).toBe(true);
  expect(startsOnce(status("✗"))).toBe(false);
  expect(startsOnce("System:\nNot booted with EFI\n")).toBe(false);
});
