/** What the audit says of a state; null where it says nothing, text where it is no JSON. */
export function parsedJson(json: string): unknown {
  if (json === "") return null;
  try {
    return JSON.parse(json);
  } catch {
    // A later server may write something else; the text is what there is to show.
    return json;
  }
}

/** `paused: false → true`: the fields that differ, or all of them where there was nothing before. */
export function changeText(beforeJson: string, afterJson: string): string {
  const before = fieldsOf(parsedJson(beforeJson));
  const after = fieldsOf(parsedJson(afterJson));
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys
    .flatMap((key) => {
      const [was, is] = [before.get(key), after.get(key)];
      if (was === is) return [];
      if (was === undefined) return [`${key}: ${is}`];
      return [`${key}: ${was} → ${is ?? "gone"}`];
    })
    .join(", ");
}

function fieldsOf(value: unknown): Map<string, string> {
  if (value === null) return new Map();
  const fields = typeof value === "object" ? Object.entries(value) : [["value", value] as const];
  return new Map(
    fields.map(([key, field]) => [key, typeof field === "string" ? field : JSON.stringify(field)]),
  );
}
