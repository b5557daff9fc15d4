/** The nix of the machine. */
import type { ListingEntry } from "@nix-ota/proto/listing";

import type { Failure } from "../failure.ts";

/** What a copy moved so far. */
export interface CopyProgress {
  readonly pathsDone: number;
  /** 0: not known yet. */
  readonly pathsTotal: number;
  /** Compressed bytes received. */
  readonly bytesDone: number;
  /** 0: not known. */
  readonly bytesTotal: number;
}

export interface Copy {
  readonly storePath: string;
  /** Validated URLs in the order to ask them. */
  readonly substituters: readonly string[];
  /** Sum of the NAR sizes that the manifest announces; 0: not announced. */
  readonly closureBytes: number;
  /** Whether the caches are on this device, so that no network is spared by taking less. */
  readonly atHand?: true;
}

/** What a closure lacks in the store. */
export interface Missing {
  readonly paths: number;
  readonly downloadBytes: number;
  readonly unpackedBytes: number;
}

export interface Nix {
  /**
   * Whether the path is registered; its references then are, too. Undefined: nix cannot tell, as
   * where its disk is full.
   */
  isValid(storePath: string, signal: AbortSignal): Promise<boolean | undefined>;
  /** What a copy would move; undefined when the caches do not say. */
  missing(copy: Copy, signal: AbortSignal): Promise<Missing | undefined>;
  /** Undefined: the path is valid. */
  copy(
    copy: Copy,
    onProgress: (progress: CopyProgress) => void,
    signal: AbortSignal,
  ): Promise<Failure | undefined>;
  /** The closure with the NAR hashes of this store's database. */
  closure(storePath: string, signal: AbortSignal): Promise<readonly ListingEntry[]>;
  /** Paths of the closure whose contents differ from the database. */
  damaged(storePath: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Fetches contents again; the failure of those that stay damaged. */
  repair(
    storePaths: readonly string[],
    copy: Copy,
    signal: AbortSignal,
  ): Promise<Failure | undefined>;
  /** Deletes paths and what refers to them, where nothing keeps them. Sentence of the failure or undefined. */
  remove(storePaths: readonly string[], signal: AbortSignal): Promise<string | undefined>;
  /** Brings what was copied to the disk. */
  syncStore(signal: AbortSignal): Promise<void>;
  /** Lets the system profile name a valid path, durably. Sentence of the failure or undefined. */
  setProfile(storePath: string, signal: AbortSignal): Promise<string | undefined>;
  /** Lets it name a generation that exists, durably. */
  switchGeneration(generation: number, signal: AbortSignal): Promise<string | undefined>;
  deleteGeneration(generation: number, signal: AbortSignal): Promise<string | undefined>;
}
