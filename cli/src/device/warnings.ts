import type { Device } from "@nix-ota/proto/nixota/v1/device_pb";

import { relativeTime } from "../amounts.ts";
import { momentMs } from "../moment.ts";
import type { Output } from "../output.ts";
import { shellWord } from "../shell-word.ts";
import { safeText } from "../terminal-text.ts";

/** What somebody has to look into, with what to do. */
export function deviceWarnings(device: Device, nowMs: number, output: Output): string[] {
  const id = safeText(device.id);
  const conflictMs = momentMs(device.keyConflictAt);
  return [
    ...(device.cloned
      ? [
          `two machines report as ${id} with the same key; give one of them an id and a key of its own`,
        ]
      : []),
    ...(conflictMs === undefined
      ? []
      : [
          `somebody came as ${id} with another key ${relativeTime(conflictMs, nowMs)}; if it was installed anew, nix-ota device forget ${shellWord(device.id)} lets it in`,
        ]),
  ].map((text) => output.paint("red", text));
}
