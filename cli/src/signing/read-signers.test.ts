import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { printSecretKey, publicHalf, printPublicKey } from "@nix-ota/proto/key-file";
import { expect, it } from "vitest";

import { answering } from "../publish/publication.testkit.ts";
import { recordingHost } from "../recording-host.testkit.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";
import { readSigners } from "./read-signers.ts";

const KEY = { name: "a", seed: new Uint8Array(32).fill(7) };
const OTHER = { name: "b", seed: new Uint8Array(32).fill(8) };

it("lets a key sign once, however often and in whatever way it is named", async () => {
  await using folder = await temporaryFolder();
  const fileOf = async (name: string, text: string) => {
    const file = join(folder.path, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  const key = await fileOf("a.key", printSecretKey(KEY));
  const copy = await fileOf("copy.key", printSecretKey(KEY));
  const other = await fileOf("b.key", printSecretKey(OTHER));
  const options = {
    key: [key, other, key, copy],
    keyCommand: ["sign-a"],
    keyCommandKey: [printPublicKey(publicHalf(KEY))],
  };
  const signers = await readSigners(options, answering(undefined), recordingHost());
  expect(signers.map(({ name }) => name)).toEqual(["a", "b"]);
});
