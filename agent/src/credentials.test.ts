import { expect, test } from "vitest";

import { credentialPath } from "./credentials.ts";

test.each([
  ["/etc/token", "/run/credentials/x", "/etc/token"],
  ["nix-ota.enrolment-token", "/run/credentials/x", "/run/credentials/x/nix-ota.enrolment-token"],
  ["nix-ota.server-ca", undefined, "/run/credentials/nix-ota-agent.service/nix-ota.server-ca"],
])("the file %s with credentials in %s is %s", (file, directory, path) => {
  expect(credentialPath(file, directory)).toBe(path);
});
