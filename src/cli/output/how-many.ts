/** Counts in sentences for people. */

/** "1 attempt", "3 attempts". @param word - one of them; its plural ends in s. */
export function howMany(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
