/** A word as a POSIX shell reads it back, for commands that people copy. Plain words stay plain. Pure. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
