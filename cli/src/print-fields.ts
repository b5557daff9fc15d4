import type { Output } from "./output.ts";
import { renderFields } from "./table.ts";

/** Fields as they look on stdout. Values must be safe to print; empty ones are left out. */
export function fieldsText(
  fields: ReadonlyArray<readonly [name: string, value: string]>,
  output: Output,
): string {
  return renderFields(
    fields,
    (name) => output.paint("dim", name),
    output.tableStyle().maxWidth ?? undefined,
  );
}
