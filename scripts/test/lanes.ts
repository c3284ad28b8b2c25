/** Jobs side by side: a few lanes, each of which takes the next job once it is free. */

/** Most tests wait for processes and clocks: on two cores three lanes are quicker than two, and four are not. */
export const LANES = 3;

/** Runs all of them: those with company first, `lanes` at a time; then those that stand alone, one at a time. */
export async function runInLanes<J extends { readonly isAlone: boolean }>(
  lanes: number,
  jobs: readonly J[],
  run: (job: J) => Promise<void>,
): Promise<void> {
  const sociable = jobs.filter(({ isAlone }) => !isAlone);
  const lane = async () => {
    for (let job = sociable.shift(); job !== undefined; job = sociable.shift()) await run(job);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const job of jobs.filter(({ isAlone }) => isAlone)) await run(job);
}
