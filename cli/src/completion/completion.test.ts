import { execFile } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import { create } from "@bufbuild/protobuf";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DeviceSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, it } from "vitest";

import { httpDouble } from "../http-double.testkit.ts";
import { recordingHost } from "../recording-host.testkit.ts";
import { runCommand } from "../run-command.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";
import type { Shell } from "./scripts.ts";

/** A server whose names include what no name can be. */
async function serving() {
  const filters: string[] = [];
  const server = await httpDouble(({ service }) => {
    service(ChannelService, {
      listChannels: () => ({
        channels: [{ name: "prod" }, { name: "pre" }, { name: "lab" }, { name: "$(touch pwned)" }],
      }),
    });
    service(CheckinService, {
      listDevices: ({ filter }) => {
        filters.push(filter);
        return {
          devices: ["fridge-001", "fridge-002", "pump", "fridge `id`"].map((id) =>
            create(DeviceSchema, { id }),
          ),
        };
      },
    });
  });
  return Object.assign(server, { filters });
}

/** What is printed for the words of a command line, the last of which is being typed. */
async function completed(
  words: readonly string[],
  env: Record<string, string> = {},
  shell: Shell = "fish",
) {
  const host = recordingHost({ env });
  const code = await runCommand(["complete", shell, "--", ...words], host);
  expect({ code, err: host.err() }).toEqual({ code: 0, err: "" });
  return host.out().split("\n").slice(0, -1);
}

const values = (lines: readonly string[]) => lines.map((line) => line.split("\t")[0]);

it("completes commands, with what they do", async () => {
  expect(await completed(["de"])).toEqual(["device\tdevices and where they stand"]);
  expect(values(await completed(["device", "re"]))).toEqual(["retry", "reject", "revoke", "rekey"]);
  expect(await completed(["nothing", "x"])).toEqual([]);
});

it("completes options of the command, and their choices", async () => {
  expect(values(await completed(["channel", "set", "prod", "--thr"]))).toEqual(["--threshold"]);
  expect(values(await completed(["channel", "set", "--enrolment", ""]))).toEqual([
    "open",
    "token",
    "approve",
  ]);
  expect(await completed(["channel", "set", "--enrolment=a"])).toEqual(["--enrolment=approve"]);
  expect(await completed(["complete", "f"])).toEqual(["fish"]);
});

it("completes paths where files are wanted, and nothing where there is nothing to know", async () => {
  expect(await completed(["publish", "--key", ""])).toEqual([":files"]);
  expect(await completed(["publish", "--store-path=/nix"])).toEqual([":files"]);
  expect(await completed(["verify", ""])).toEqual([":files"]);
  expect(await completed(["token", "create", "--expires", ""])).toEqual([]);
});

it("asks the server for channels and devices", async () => {
  await using server = await serving();
  const env = { NIX_OTA_SERVER: server.url };
  expect(await completed(["publish", "--channel", "pr"], env)).toEqual(["prod", "pre"]);
  expect(await completed(["publish", "--channel=l"], env)).toEqual(["--channel=lab"]);
  expect(await completed(["channel", "show", ""], env)).toEqual(["prod", "pre", "lab"]);
  expect(await completed(["device", "pin", "pump", "fri"], env)).toEqual([
    "fridge-001",
    "fridge-002",
  ]);
  expect(await completed(["device", "pin", "--revision", "4", ""], env)).toEqual([
    "fridge-001",
    "fridge-002",
    "pump",
  ]);
  expect(server.filters).toEqual(["id:fri*", ""]);
});

it("asks the server that the command line names", async () => {
  await using server = await serving();
  const env = { NIX_OTA_SERVER: "http://127.0.0.1:1" };
  expect(await completed(["--x", "device", "why", "--server", server.url, "pu"], env)).toEqual([
    "pump",
  ]);
  expect(await completed(["device", "why", `--server=${server.url}`, "pu"], env)).toEqual(["pump"]);
  expect(await completed(["device", "why", "pu"], env)).toEqual([]);
});

it("is silent about a server that never answers, and does not wait for it long", async () => {
  const mute = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const env = { NIX_OTA_SERVER: `http://127.0.0.1:${(mute.address() as AddressInfo).port}` };
  expect(await completed(["channel", "show", ""], env)).toEqual([]);
  await new Promise((resolve) => mute.close(resolve));
});

it("completes contexts, and is silent about a configuration that is none", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "nix-ota"));
  const file = join(folder.path, "nix-ota", "config.toml");
  const env = { XDG_CONFIG_HOME: folder.path };
  await writeFile(file, '[context.prod]\nserver = "https://a"\n[context.lab]\n');
  expect(await completed(["whoami", "--context", ""], env)).toEqual(["prod", "lab"]);
  expect(await completed(["context", "use", "l"], env)).toEqual(["lab"]);
  await writeFile(file, "[context.prod");
  expect(await completed(["context", "use", ""], env)).toEqual([]);
  expect(await completed(["channel", "show", ""], env)).toEqual([]);
});

it("gives each shell what its script reads", async () => {
  expect(await completed(["whoa"], {}, "zsh")).toEqual([
    "whoami:who the token is to the server, and its scopes",
  ]);
  // Bash takes words apart at "=" and keeps what is in front of the last part.
  const apart = ["channel", "set", "--enrolment", "=", "to"];
  expect(await completed(apart, {}, "bash")).toEqual(["token"]);
  expect(await completed(["channel", "set", "--enrolment", "="], {}, "bash")).toEqual([
    "open",
    "token",
    "approve",
  ]);
});

/** A folder to be in, with the program on the PATH, and what real bash makes of words in it. */
async function inBash(words: readonly string[], env: Record<string, string> = {}) {
  await using folder = await temporaryFolder();
  const program = join(folder.path, "nix-ota");
  const main = join(import.meta.dirname, "../main.ts");
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(program, 0o755);
  await writeFile(join(folder.path, "sign.key"), "");
  const script = `
    source <(nix-ota complete bash)
    source <(nix-ota complete bash)
    compopt() { echo "compopt $*"; }
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _nix_ota
    printf '%s\\n' "\${COMPREPLY[@]}"
    ls
  `;
  const { stdout, stderr } = await promisify(execFile)(
    "bash",
    ["--norc", "-c", script, "bash", ...words],
    {
      cwd: folder.path,
      env: { PATH: `${folder.path}:${process.env["PATH"]}`, ...env },
      timeout: 60_000,
    },
  );
  return { replies: stdout.split("\n").slice(0, -1), stderr };
}

const FILES = ["nix-ota", "sign.key"];

it("works in bash, without bash-completion, and sourced twice", { timeout: 60_000 }, async () => {
  await using server = await serving();
  const env = { NIX_OTA_SERVER: server.url };
  expect(await inBash(["nix-ota", "device", "why", "fri"], env)).toEqual({
    replies: ["fridge-001", "fridge-002", ...FILES],
    stderr: "",
  });
  expect(await inBash(["nix-ota", "publish", "--key", ""])).toEqual({
    replies: ["compopt -o default", "", ...FILES],
    stderr: "",
  });
});

it("runs nothing of what is typed when it completes", { timeout: 60_000 }, async () => {
  const hostile = [
    "nix-ota",
    "device",
    "list",
    "--filter",
    '"$(touch pwned)',
    "`touch pwned`",
    "$(touch pwned)",
    "--li",
  ];
  expect(await inBash(hostile)).toEqual({ replies: ["--limit", ...FILES], stderr: "" });
});
