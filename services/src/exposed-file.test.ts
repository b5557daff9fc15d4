import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { exposureOf } from "./exposed-file.ts";

test("what a link leads to counts, and a file that is not there is no concern here", () => {
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-exposed-"));
  try {
    const [file, link] = [join(folder, "file"), join(folder, "link")];
    writeFileSync(file, "");
    chmodSync(file, 0o640);
    symlinkSync(file, link);
    expect(exposureOf(link, "publish token")).toBe(
      `the publish token file ${link} is open to its group (mode 640); close it with: chmod 600 ${link}`,
    );
    chmodSync(file, 0o600);
    expect(exposureOf(link, "publish token")).toBeUndefined();
    expect(exposureOf(join(folder, "none"), "publish token")).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
