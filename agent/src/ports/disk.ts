/** Files that outlast a power cut. */

export interface Disk {
  /** Contents; undefined when there is no file. Over the limit is an AgentError "state". */
  read(path: string, limitBytes: number): Promise<Uint8Array | undefined>;
  /** Whole old or whole new contents after a power cut; on the disk when it returns. */
  writeDurably(directory: string, name: string, bytes: Uint8Array, mode: number): Promise<void>;
  /** Names in a directory, sorted; none when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
  /** No error when there is no such file. */
  remove(path: string): Promise<void>;
  /** With its parents, 0700. */
  makeDirectory(path: string): Promise<void>;
}
