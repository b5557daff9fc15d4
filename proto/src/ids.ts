const ID = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const SYSTEM = /^[a-z0-9_]{1,32}-[a-z0-9]{1,32}$/;

/** Whether `text` can name a channel, target, device, tag or fleet. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** Whether `text` has the form of nix's systems, e.g. `x86_64-linux`. */
export function isSystem(text: string): boolean {
  return SYSTEM.test(text);
}
