/** What the links of the system say. */
import type { RootName } from "../effects.ts";

/** Where the system's links point; store paths, empty when absent. */
export interface Links {
  running(): Promise<string>;
  booted(): Promise<string>;
  profile(): Promise<Generation>;
  /** Every generation of the system profile, ascending. */
  generations(): Promise<readonly Generation[]>;
  /** Path to the system's file, or undefined when it has none; at most 64 KiB. */
  systemFile(storePath: string, file: SystemFile): Promise<string | undefined>;
  /** Whether the system starts the unit when it boots. */
  startsUnit(storePath: string, unit: AgentUnit): Promise<boolean>;
  /** Canonical target of a part that needs a reboot to change; empty when absent. */
  part(storePath: string, part: BootPart): Promise<string>;
  /** Size of such a file; 0 when it is absent or no file. */
  partBytes(storePath: string, part: BootPart): Promise<number>;
  /** Whether the system's program is a non-empty executable file. */
  runnable(storePath: string, program: SystemProgram): Promise<boolean>;
  /** Points a GC root at a path, valid or not yet. */
  root(name: RootName, storePath: string): Promise<void>;
  /** What such a root points at; empty when it is absent. */
  rooted(name: RootName): Promise<string>;
  unroot(name: RootName): Promise<void>;
  /** Keeps a committed system and drops the root of the one before. */
  rootCommitted(committed: CommittedRoot): Promise<void>;
  /** What the root's name and target tell when the trust file is lost. */
  committedRoots(): Promise<readonly CommittedRoot[]>;
}

/** A generation of the system profile; number 0 and an empty path: there is none. */
export interface Generation {
  readonly number: number;
  readonly storePath: string;
}

export interface CommittedRoot {
  readonly channel: string;
  readonly revision: number;
  readonly payloadSha256: string;
  readonly storePath: string;
}

export type SystemFile =
  | "system"
  | "init-interface-version"
  | "switch-inhibitors"
  | "kernel-params"
  | "nixos-version"
  | "etc/nix-ota/agent.json";

/** A unit of a system by which the device is kept. */
export type AgentUnit = "nix-ota-agent.service" | "nix-ota-boot.service";

/** A program of a system by which the device is kept. */
export type SystemProgram = "bin/switch-to-configuration" | "sw/bin/nix-ota-agent";

export type BootPart = "kernel" | "initrd" | "kernel-modules" | "systemd";
