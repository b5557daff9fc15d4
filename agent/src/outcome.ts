/** How an attempt ended. Terminal: an attempt has exactly one. */
export type Outcome =
  | "applied"
  | "rolled_back"
  | "failed"
  | "interrupted"
  | "superseded"
  | "external_change"
  | "rejected";
