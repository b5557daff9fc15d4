/**
 * The real agent's ports, watched: everything that it does durably is announced before and after, so
 * that a test can end the process or cut the power at any of these moments.
 */
import { machinePorts } from "@nix-ota/agent/adapters";
import type { Config } from "@nix-ota/agent/config";
import type { Ports } from "@nix-ota/agent/ports/ports";
import { diskOver, nodeFileSteps } from "@nix-ota/agent/state/node-disk";

import { entryFile } from "./processes.ts";

/** `during`: a file's contents are written beside it, and nothing of that is synced or renamed. */
export type Moment = "before" | "during" | "after";

/**
 * @param act what is done and for which time in this process: `write journal 3`.
 * @param alone whether no other act is half done at this moment.
 */
export type Watch = (act: string, moment: Moment, alone: boolean) => Promise<void>;

/** The ports of a real machine, each durable act of which is told to `watch`. */
export function watchedPorts(
  config: Config,
  environment: Readonly<Record<string, string>>,
  watch: Watch,
): Ports {
  const times = new Map<string, number>();
  let halfDone = 0;
  const around = async <T>(
    what: string,
    work: (during: () => Promise<void>) => Promise<T>,
  ): Promise<T> => {
    const time = (times.get(what) ?? 0) + 1;
    times.set(what, time);
    const act = `${what} ${time}`;
    await watch(act, "before", halfDone === 0);
    halfDone += 1;
    const result = await work(async () => await watch(act, "during", halfDone === 1));
    halfDone -= 1;
    await watch(act, "after", halfDone === 0);
    return result;
  };
  const kind = (path: string) => kindOf(path.replace(`${config.stateDir}/`, ""));

  const disk = diskOver(nodeFileSteps);
  const watchedDisk: typeof disk = {
    ...disk,
    async writeDurably(directory, name, bytes, mode) {
      await around(`write ${kind(`${directory}/${name}`)}`, async (during) => {
        const steps = {
          ...nodeFileSteps,
          async write(path: string, contents: Uint8Array, permissions: number) {
            await nodeFileSteps.write(path, contents, permissions);
            await during();
          },
        };
        await diskOver(steps).writeDurably(directory, name, bytes, mode);
      });
    },
    async remove(path) {
      await around(`remove ${kind(path)}`, async () => await disk.remove(path));
    },
  };

  const deadMan = {
    running: [process.execPath, entryFile("agent")] as const,
    configFile: "/etc/nix-ota/agent.json",
  };
  const ports = machinePorts(config, environment, deadMan, { disk: watchedDisk });
  const { links, nix, activation, loader } = ports;
  return {
    ...ports,
    links: {
      ...links,
      root: async (name, path) => await around(`root ${name}`, () => links.root(name, path)),
      unroot: async (name) => await around(`unroot ${name}`, () => links.unroot(name)),
      rootCommitted: async (committed) =>
        await around("root committed", () => links.rootCommitted(committed)),
    },
    nix: {
      ...nix,
      copy: async (...call) => await around("copy", () => nix.copy(...call)),
      repair: async (...call) => await around("repair", () => nix.repair(...call)),
      remove: async (...call) => await around("delete paths", () => nix.remove(...call)),
      syncStore: async (...call) => await around("sync store", () => nix.syncStore(...call)),
      setProfile: async (...call) => await around("set profile", () => nix.setProfile(...call)),
      switchGeneration: async (...call) =>
        await around("switch generation", () => nix.switchGeneration(...call)),
      deleteGeneration: async (...call) =>
        await around("delete generation", () => nix.deleteGeneration(...call)),
    },
    loader: {
      ...loader,
      bootOnce: async (...call) => await around("boot once", () => loader.bootOnce(...call)),
    },
    activation: {
      ...activation,
      run: async (name, command, signal) =>
        await around(`activate ${command.action}`, () => activation.run(name, command, signal)),
    },
  };
}

/** A file by what it is for: neither the slot nor random ids differ between two updates. */
function kindOf(path: string): string {
  const [folder = "", name] = path.split("/");
  if (name === undefined) return folder.replace(/\.[ab]$/, "");
  return /^[a-z]+$/.test(name) ? `${folder}/${name}` : folder;
}
