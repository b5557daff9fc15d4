/**
 * Reads nix's internal-json log. nix 2.8 tells bytes only of downloads (type 101); later versions
 * tell NAR bytes for each copied path as well. Compressed bytes of downloads are what both have.
 */
import type { CopyProgress } from "../ports/nix.ts";

const COPY_PATHS = 103;
const COPY_PATH = 100;
const FILE_TRANSFER = 101;
const PROGRESS = 105;

/** Most activities followed at a time; nix has some 25 downloads open. */
const MAX_OPEN = 10_000;

export interface ProgressReader {
  /** Reads one line of stderr. */
  read(line: string): void;
  readonly progress: CopyProgress;
  /** Messages of level error, oldest first, without colours; at most 32. */
  readonly errors: readonly string[];
  /**
   * The last warning that a cache's path carries no trusted signature. Where nix asks several
   * caches that is no error of its own: it looks on and says in the end only that it found nothing.
   */
  readonly untrusted: string | undefined;
  /** Rises with every sign of life: bytes and finished paths. */
  readonly activity: number;
}

export function progressReader(bytesTotal: number, pathsExpected: number): ProgressReader {
  const open = new Map<number, { readonly kind: "path" | "nar"; bytes: number }>();
  const errors: string[] = [];
  let untrusted: string | undefined;
  let pathsDone = 0;
  let pathsTotal = pathsExpected;
  let bytesEnded = 0;
  let activity = 0;

  const read = (line: string) => {
    if (!line.startsWith("@nix ")) {
      if (line.startsWith("error:")) push(errors, plain(line));
      return;
    }
    const event = parse(line.slice(5));
    const id = typeof event?.id === "number" ? event.id : undefined;
    switch (event?.action) {
      case "start":
        if (event.type === COPY_PATHS) {
          const total = /copying (\d+) paths/.exec(String(event.text))?.[1];
          if (total !== undefined && pathsTotal === 0) pathsTotal = Number(total);
        }
        if (id === undefined || open.size >= MAX_OPEN) return;
        if (event.type === COPY_PATH) open.set(id, { kind: "path", bytes: 0 });
        if (event.type === FILE_TRANSFER && isNar(event)) open.set(id, { kind: "nar", bytes: 0 });
        return;
      case "result": {
        const transfer = id === undefined ? undefined : open.get(id);
        const done = event.type === PROGRESS ? firstNumber(event.fields) : undefined;
        if (transfer?.kind !== "nar" || done === undefined || done === transfer.bytes) return;
        transfer.bytes = done;
        activity += 1;
        return;
      }
      case "stop": {
        const ended = id === undefined ? undefined : open.get(id);
        if (id === undefined || ended === undefined) return;
        open.delete(id);
        activity += 1;
        if (ended.kind === "path") pathsDone += 1;
        else bytesEnded += ended.bytes;
        return;
      }
      case "msg":
        if (event.level === 0) push(errors, plain(String(event.raw_msg ?? event.msg)));
        if (event.level === 1 && /not signed by any of the keys/.test(String(event.msg))) {
          untrusted = plain(String(event.msg)).replace(/^warning:\s*/, "");
        }
        return;
      default:
    }
  };

  return {
    read,
    get progress() {
      const bytesOpen = [...open.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      return {
        pathsDone,
        pathsTotal: Math.max(pathsTotal, pathsDone),
        bytesDone: bytesEnded + bytesOpen,
        bytesTotal,
      };
    },
    get errors() {
      return errors;
    },
    get untrusted() {
      return untrusted;
    },
    get activity() {
      return activity;
    },
  };
}

type NixEvent = Readonly<Record<string, unknown>>;

function parse(text: string): NixEvent | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as NixEvent) : undefined;
  } catch {
    // A line cut at its limit is no event; the exit status decides all that matters.
    return undefined;
  }
}

const isNar = (event: NixEvent) =>
  Array.isArray(event.fields) && String(event.fields[0]).includes("/nar/");

function firstNumber(fields: unknown): number | undefined {
  const first: unknown = Array.isArray(fields) ? fields[0] : undefined;
  return typeof first === "number" && first >= 0 ? first : undefined;
}

function push(list: string[], text: string): void {
  list.push(text.slice(0, 2048));
  if (list.length > 32) list.shift();
}

/** Without escape sequences, which nix prints also where there is no terminal. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/\u001b\[[0-9;]*m/g, "").replaceAll(/[\u0000-\u0008\u000b-\u001f]/g, " ");
}
