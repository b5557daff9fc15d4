import { sha256, toHex } from "@nix-ota/proto/hash";

import type { Disk } from "../ports/disk.ts";

/** Most bytes of a slot; the journal and the trust file stay far below. */
const MAX_SLOT_BYTES = 1024 * 1024;

const SLOTS = ["a", "b"] as const;
type SlotName = (typeof SLOTS)[number];

interface Slot {
  readonly name: SlotName;
  readonly sequence: number;
  readonly body: string;
}

/** A value in two slots, written in turn: whatever tears one, the other holds. */
export interface SlotFile<Value> {
  /** The value that was written last and is whole; undefined: there is none. */
  read(): Promise<Value | undefined>;
  /** Returns when the value is on the disk. Calls must not overlap. */
  write(value: Value): Promise<void>;
}

/**
 * @param parse judges a body that is whole; undefined: not such a value, the other slot is asked.
 */
export function slotFile<Value>(
  disk: Disk,
  directory: string,
  base: string,
  parse: (body: unknown) => Value | undefined,
): SlotFile<Value> {
  const newest = async (): Promise<{ slot: Slot; value: Value } | undefined> => {
    const found = await Promise.all(
      SLOTS.map(async (name) => {
        const bytes = await disk.read(`${directory}/${base}.${name}`, MAX_SLOT_BYTES);
        const slot = bytes === undefined ? undefined : decodeSlot(name, bytes);
        const value = slot === undefined ? undefined : parse(JSON.parse(slot.body));
        return slot === undefined || value === undefined ? [] : [{ slot, value }];
      }),
    );
    return found.flat().toSorted((a, b) => b.slot.sequence - a.slot.sequence)[0];
  };

  // Known after the first look: one process writes, under the agent's lock.
  let last: { readonly name: SlotName; readonly sequence: number } | undefined;

  return {
    async read() {
      const found = await newest();
      last = found?.slot ?? { name: "b", sequence: 0 };
      return found?.value;
    },
    async write(value) {
      last ??= (await newest())?.slot ?? { name: "b", sequence: 0 };
      const next: Slot = {
        name: last.name === "a" ? "b" : "a",
        sequence: last.sequence + 1,
        body: JSON.stringify(value),
      };
      await disk.writeDurably(directory, `${base}.${next.name}`, encodeSlot(next), 0o600);
      last = next;
    },
  };
}

function encodeSlot({ sequence, body }: Slot): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ sequence, sha256: digest(sequence, body), body }),
  );
}

function decodeSlot(name: SlotName, bytes: Uint8Array): Slot | undefined {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // A torn slot is no error: that is what the other one is for.
    return undefined;
  }
  const { sequence, sha256: claimed, body } = (content ?? {}) as Record<string, unknown>;
  if (typeof sequence !== "number" || typeof body !== "string") return undefined;
  return claimed === digest(sequence, body) ? { name, sequence, body } : undefined;
}

function digest(sequence: number, body: string): string {
  return toHex(sha256(new TextEncoder().encode(`${sequence}\n${body}`)));
}
