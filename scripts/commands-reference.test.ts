import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { commandsReference } from "./commands-reference.ts";
import { withBlock } from "./document-block.ts";

it("cli/README.md has every command with its options (npm run docs:commands writes it)", () => {
  const document = readFileSync("cli/README.md", "utf8");
  expect(document).toBe(withBlock(document, "commands", commandsReference()));
});

it("the reference has a part for each command, with its arguments, own options and example", () => {
  const reference = commandsReference();
  const [, part = ""] = /(### `nix-ota device pin [\s\S]*?)\n### /u.exec(reference) ?? [];
  expect(part).toMatch(/^### `nix-ota device pin \[device\.\.\.\]`$/mu);
  expect(part).toMatch(/^- `--revision <number>`: the release/mu);
  expect(part).toMatch(/^nix-ota device pin fridge-007$/mu);
  expect(part).not.toMatch(/--json|--server|--help/u);
});
