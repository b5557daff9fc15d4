import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { exposedSecrets } from "./exposed-secrets.ts";

test("key and enrolment token that others on the device can read are told, and files that are not there are not", async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "nix-ota-secrets-"));
  const [key, token] = [join(stateDir, "device.key"), join(stateDir, "token")];
  try {
    expect(await exposedSecrets({ stateDir, enrolmentTokenFile: token })).toEqual([]);
    for (const file of [key, token]) writeFileSync(file, "");
    chmodSync(key, 0o640);
    chmodSync(token, 0o644);
    expect(await exposedSecrets({ stateDir, enrolmentTokenFile: token })).toEqual([
      `the device key file ${key} is open to its group (mode 640); close it with: chmod 600 ${key}`,
      expect.stringMatching(/^the enrolment token file .* is open to every user \(mode 644\)/),
    ]);
    for (const file of [key, token]) chmodSync(file, 0o600);
    expect(await exposedSecrets({ stateDir, enrolmentTokenFile: token })).toEqual([]);
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});
