import { rename } from "node:fs/promises";

import { CONFIG_FILE } from "../../src/fleet-device.ts";
import { entryFile } from "../../src/processes.ts";
import type { Fault } from "../fault.ts";

const PROFILE = "/nix/var/nix/profiles/system";

/** What others do to the device meanwhile. */
export const people = {
  rebuild: {
    says: "an administrator runs `nixos-rebuild switch`",
    strike: async (subject) => {
      const { other } = subject.bench;
      await subject.device.run(["nix-env", "-p", PROFILE, "--set", other]);
      await subject.device.run([`${other}/bin/switch-to-configuration`, "switch"]);
      subject.byHand = other;
    },
  },
  collection: {
    says: "the garbage is collected",
    strike: async (subject) => void (await subject.device.run(["nix-store", "--gc"])),
  },
  secondAgent: {
    says: "a second agent is started",
    strike: async (subject) => {
      await subject.beside([process.execPath, entryFile("agent"), "once", "--config", CONFIG_FILE]);
    },
  },
  newerManifest: {
    says: "a newer release is published",
    publish: [],
    strike: async (subject) => {
      subject.offered.push((await subject.lane.publish(subject.channel, {})).storePath);
    },
  },
  previousGone: {
    says: "the system to return to is gone from the store, on the way back for good",
    strike: async ({ device, bench }, state) => {
      const path = device.hostPath(bench.factory);
      await rename(path, `${path}.gone`);
      if (state === "rollingBack") return undefined;
      return async () => await rename(`${path}.gone`, path);
    },
  },
} as const satisfies Record<string, Fault>;
