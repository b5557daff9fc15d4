/** What bootctl prints, read. Pure. */

/** One entry as `bootctl list --json` tells it; there are more fields. */
interface Listed {
  readonly id?: unknown;
  readonly options?: unknown;
}

/**
 * The id of the entry that starts a system, or undefined. Ids follow no rule: older NixOS numbers
 * them by generation, newer ones by contents; the kernel's `init=` names the system in each.
 *
 * @param json one array, as newer systemd prints, or one object a line, as 252 does.
 */
export function entryOf(json: string, storePath: string): string | undefined {
  const init = `init=${storePath}/init`;
  const found = listed(json).find(
    ({ options }) => typeof options === "string" && options.split(/\s+/).includes(init),
  );
  return typeof found?.id === "string" ? found.id : undefined;
}

function listed(json: string): readonly Listed[] {
  const text = json.trim();
  const values = (text.startsWith("[") ? [text] : text.split("\n")).flatMap((line): unknown[] => {
    try {
      return [JSON.parse(line)];
    } catch {
      // A warning between the lines is no entry.
      return [];
    }
  });
  return values
    .flat()
    .filter((value): value is Listed => typeof value === "object" && value !== null);
}

/** Whether the loader that booted this machine starts an entry once when asked, from `bootctl status`. */
export function startsOnce(status: string): boolean {
  return /[✓+] One-shot entry control\s*$/m.test(status);
}
