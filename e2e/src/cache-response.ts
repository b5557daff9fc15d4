import type { CacheFault } from "./cache-fault.ts";
import { fingerprint, formatNarInfo, type NarInfo, parseNarInfo } from "./narinfo.ts";

/** nar framing of one regular file, up to and with its length of 2^60 bytes. */
export function endlessNarHeader(): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(1n << 60n);
  const words = ["nix-archive-1", "(", "type", "regular", "contents"];
  return Buffer.concat([...words.map(narString), length]);
}

/** What the cache answers with for a file under a fault that changes contents. */
export function tamperedBody(path: string, body: Buffer, fault: CacheFault): Buffer {
  if (path.endsWith(".narinfo")) return Buffer.from(tamperedNarInfo(body.toString("utf8"), fault));
  if (fault.kind !== "corrupt") return body;
  const flipped = Buffer.from(body);
  const middle = flipped.length >> 1;
  flipped.writeUInt8(flipped.readUInt8(middle) ^ 0xff, middle);
  return flipped;
}

function tamperedNarInfo(text: string, fault: CacheFault): string {
  const info = (change: Partial<NarInfo>) => formatNarInfo({ ...parseNarInfo(text), ...change });
  switch (fault.kind) {
    case "corrupt":
      return text.replace(/^NarHash: .*$/m, "NarHash: unreadable");
    case "unsigned":
      return info({ signatures: [] });
    case "wrong-key":
      return info({ signatures: [fault.key.sign(fingerprint(parseNarInfo(text)))] });
    case "endless":
      // Neither of the two is signed, so this needs no key: any mirror can do it.
      return info({ Compression: "none" });
    default:
      return text;
  }
}

/** A string in a nar: its length as 64 bits, the bytes, zeros up to the next multiple of 8. */
function narString(text: string): Buffer {
  const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8);
  padded.writeBigUInt64LE(BigInt(text.length));
  padded.write(text, 8, "latin1");
  return padded;
}
