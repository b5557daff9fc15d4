import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import { expect, test } from "vitest";

import { bootDefault, nextBoot, takeNextBoot } from "./boot-default.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const SYSTEM = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-a";
const OTHER = SYSTEM.replace("-a", "-b");

async function machine(files: Record<string, string>, links: Record<string, string>) {
  const folder = await TemporaryFolder.create("boot-default");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(folder.join(path)), { recursive: true });
    await writeFile(folder.join(path), text);
  }
  for (const [path, target] of Object.entries(links)) {
    await mkdir(dirname(folder.join(path)), { recursive: true });
    await symlink(target, folder.join(path));
  }
  return folder;
}

const profile = {
  "nix/var/nix/profiles/system": "system-2-link",
  "nix/var/nix/profiles/system-2-link": OTHER,
};

test("the boot loader's default entry comes before the profile", async () => {
  await using root = await machine(
    {
      "boot/loader/loader.conf": "timeout 5\ndefault nixos-generation-1.conf\n",
      "boot/loader/entries/nixos-generation-1.conf": `title NixOS\noptions init=${SYSTEM}/init loglevel=4\n`,
    },
    profile,
  );
  expect(await bootDefault(root.path)).toEqual({
    system: SYSTEM,
    from: "boot entry nixos-generation-1.conf",
  });
});

test("without a boot loader the profile counts, and without both nothing boots", async () => {
  await using withProfile = await machine({}, profile);
  expect(await bootDefault(withProfile.path)).toEqual({
    system: OTHER,
    from: "the system profile",
  });
  await using empty = await machine({}, {});
  expect(await bootDefault(empty.path)).toEqual({ system: null, from: "the system profile" });
});

test("a default entry that is not there boots nothing, whatever the profile says", async () => {
  await using root = await machine({ "boot/loader/loader.conf": "default gone.conf\n" }, profile);
  expect((await bootDefault(root.path)).system).toBe(null);
});

test("an entry that was asked for once is started once", async () => {
  const entry = (system: string) => `title NixOS\noptions init=${system}/init\n`;
  await using root = await machine(
    {
      "boot/loader/loader.conf": "default old.conf\n",
      "boot/loader/entries/old.conf": entry(SYSTEM),
      "boot/loader/entries/new.conf": entry(OTHER),
      "boot/loader/entry-once": "new.conf\n",
    },
    {},
  );
  expect((await nextBoot(root.path)).system).toBe(OTHER);
  expect((await bootDefault(root.path)).system).toBe(SYSTEM);
  expect((await takeNextBoot(root.path)).system).toBe(OTHER);
  expect((await takeNextBoot(root.path)).system).toBe(SYSTEM);
});
