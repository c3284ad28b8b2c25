/**
 * Chunks of one call, two under way at a time: Redis works on one while the next is being written and the answer of the
 * one before is being read. Not more: what one client has sent is done in a row, and others wait meanwhile.
 */

const AT_ONCE = 2;

/**
 * Goes through the items in chunks, in order.
 *
 * @param size - how many items a chunk has.
 * @returns what came of the chunks, in order.
 * @throws (rejects) what the first chunk threw that failed; none is begun after that, and none is under way any more.
 */
export async function inChunks<T, R>(
  items: readonly T[],
  size: number,
  work: (chunk: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const results: (readonly R[])[] = [];
  const failures: unknown[] = [];
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun * size < items.length && failures.length === 0) {
      const index = begun++;
      try {
        results[index] = await work(items.slice(index * size, (index + 1) * size));
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  if (failures.length > 0) throw failures[0];
  return results.flat();
}
