/** The lines of a narinfo as nix writes them, `Name: value`; `Sig` may stand more than once. */
export type NarInfo = {
  readonly StorePath: string;
  readonly URL: string;
  readonly Compression: string;
  readonly NarHash: string;
  readonly NarSize: string;
  /** Base names, separated by spaces. */
  readonly References: string;
  readonly signatures: readonly string[];
};

const STORE = "/nix/store/";

/** URL path of a store path's narinfo in a binary cache. */
export function narInfoUrl(storePath: string): string {
  return `/${storePath.slice(STORE.length, STORE.length + 32)}.narinfo`;
}

export function parseNarInfo(text: string): NarInfo {
  const values = new Map<string, string>();
  const signatures: string[] = [];
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon < 0) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 2)];
    if (name === "Sig") signatures.push(value);
    else values.set(name, value);
  }
  const value = (name: string) => values.get(name) ?? "";
  return {
    StorePath: value("StorePath"),
    URL: value("URL"),
    Compression: value("Compression"),
    NarHash: value("NarHash"),
    NarSize: value("NarSize"),
    References: value("References"),
    signatures,
  };
}

export function formatNarInfo({ signatures, ...fields }: NarInfo): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  return lines.join("") + signatures.map((signature) => `Sig: ${signature}\n`).join("");
}

/** What a narinfo signature is over; URL, Compression and the file's own hash are not part of it. */
export function fingerprint(info: NarInfo): string {
  const references = info.References.split(" ").filter((name) => name !== "");
  const paths = references.map((name) => STORE + name).join(",");
  return `1;${info.StorePath};${info.NarHash};${info.NarSize};${paths}`;
}
