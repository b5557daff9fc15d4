/** What people at the device bring and ask. */
import type { Reply, Request } from "../request.ts";

/** What people at the device ask, while another process is the agent. */
export interface RequestBox {
  /** Durable when it returns. */
  put(request: Request): Promise<void>;
  /** Those that nobody answered, at most 16. */
  pending(): Promise<readonly Request[]>;
  /** Ends a request; durable. */
  answer(id: string, reply: Reply): Promise<void>;
  /** Undefined: nobody answered yet. */
  reply(id: string): Promise<Reply | undefined>;
  /** Wakes whoever waits for something to arrive: the request may have come a moment before. */
  nudge(id: string): Promise<void>;
  /** Request and reply are no more. */
  forget(id: string): Promise<void>;
  /** Resolves when something was put or answered. Rejects with the signal's reason. */
  arrived(signal: AbortSignal): Promise<void>;
}

/** Bundles in private storage, each under the id of the request that brought it. */
export interface Bundles {
  /** Undefined: there is none. */
  read(id: string, file: BundleFile): Promise<Uint8Array | undefined>;
  /** URL of the binary cache in it. */
  cacheUrl(id: string): string;
  /**
   * Holds the place of a bundle while it is copied and until its request is durable, so that nobody
   * deletes it. Ends with the process, too.
   *
   * @throws {AgentError} kind `busy` while another is copied, `room` when the disk is full.
   */
  open(id: string): Promise<OpenBundle>;
  /** Deletes all but these; nothing while one is copied. Asks `pending` when nobody copies any more. */
  keep(pending: () => Promise<readonly string[]>): Promise<void>;
}

/** Where a bundle is copied to; empty at first. */
export interface OpenBundle {
  /** A folder that only root reaches. */
  readonly folder: string;
  /** Brings everything in it to the disk. */
  sync(signal: AbortSignal): Promise<void>;
  /** Lets go of the place; what lies there stays if somebody asks for it. */
  close(): void;
}

export type BundleFile = "manifest" | "listing";
