import { expect, it } from "vitest";

import { recordingHost } from "./recording-host.testkit.ts";
import { runCommand } from "./run-command.ts";
import { withoutSecrets } from "./without-secrets.ts";

const KEY = `nix-ota-ed25519-secret:a:${"A".repeat(43)}=`;
const TOKEN = `nota_a0eb7b53f3c0916b_${"0d".repeat(16)}`;

const ROLLBACK = ["rollback", "--channel", "prod", "--to", "1"];

it.each([
  ["a private key in the place of its file", [...ROLLBACK, "--key", KEY], "AAA"],
  [
    "a private key in the place of a public one",
    ["channel", "create", "prod", "--public-key", KEY],
    "AAA",
  ],
  ["a token in the place of its file", ["whoami", "--token-file", TOKEN], "0d0d"],
  ["a password in the URL", ["whoami", "--server", "https://anna:hunter2@ota.test"], "hunter2"],
])("repeats no secret in an error: %s", async (_, args, secret) => {
  const host = recordingHost({ env: { NIX_OTA_SERVER: "http://127.0.0.1:1" } });
  expect(await runCommand([...args, "--debug"], host)).not.toBe(0);
  expect(host.err()).toMatch(/^error: .*…/u);
  expect(host.err() + host.out()).not.toContain(secret);
});

it("knows an enrolment token", () => {
  expect(withoutSecrets(`noe_t9_${"0d".repeat(16)} is no file`)).toBe("noe_… is no file");
});

it("leaves other text as it is", () => {
  const sentence =
    'a@b.test at https://ota.test/x?y=1, nota_, "nix-ota-ed25519-secret"; see sign.pub';
  expect(withoutSecrets(sentence)).toBe(sentence);
});
