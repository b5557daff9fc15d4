/** What a failed statement means for the caller. */
export type SqlFault = {
  /**
   * `data`: a value or row that the schema refuses, and will refuse again.
   * `conflict`: another transaction was in the way; trying again is right.
   * `unavailable`: the database does not answer; nothing was changed.
   * `other`: a defect, e.g. a statement that does not parse.
   */
  readonly kind: "data" | "conflict" | "unavailable" | "other";
  /** Name of the constraint that refused, where one did. */
  readonly constraint: string | undefined;
};

const NETWORK = /^(ECONN|EPIPE|ENOTFOUND|EAI_|ETIMEDOUT|ENOENT|CONNECT|CONNECTION_)/;

/** Reads an error of either database driver; undefined for any other error. */
export function sqlFault(error: unknown): SqlFault | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return undefined;
  }
  const kind = kindOf(error.code);
  if (kind === undefined) return undefined;
  return { kind, constraint: constraintOf(error) };
}

/**
 * Whether a batch of rows that failed can be saved by smaller ones: the fault is
 * in one row, or in what another transaction did meanwhile to what it refers to.
 */
export function isRowFault(error: unknown): boolean {
  const kind = sqlFault(error)?.kind;
  return kind === "data" || kind === "conflict";
}

function kindOf(code: string): SqlFault["kind"] | undefined {
  if (NETWORK.test(code)) return "unavailable";
  if (!/^[0-9A-Z]{5}$/.test(code)) return undefined;
  // Before the last: a lock that was not waited for any longer. The last: what
  // a row refers to was deleted while it was being written.
  if (["40001", "40P01", "55P03", "23503"].includes(code)) return "conflict";
  switch (code.slice(0, 2)) {
    case "22":
    case "23":
      return "data";
    // Connection lost, access or database gone, resources short, operator's
    // intervention (also time-outs), system error.
    case "08":
    case "28":
    case "3D":
    case "53":
    case "57":
    case "58":
      return "unavailable";
    default:
      return "other";
  }
}

function constraintOf(error: Error): string | undefined {
  const fields = error as { constraint?: unknown; constraint_name?: unknown };
  const name = fields.constraint ?? fields.constraint_name;
  return typeof name === "string" ? name : undefined;
}
