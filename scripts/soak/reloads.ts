/**
 * Whether reloads leave anything behind, by hand: `bun scripts/soak/reloads.ts [RELOADS [EVERY]]` over dist/taskexe.
 * 1 000 reloads, each with other code, while tasks flow. Fails where a task is not done by one attempt, run once, where
 * a process is left, and where memory (40 MB) or descriptors (10) grow between the first fifth and the end.
 */
import { resolve } from "node:path";
import { reloadWhileTasksFlow } from "../../test/stage/reload-flow.ts";
import { Stage } from "../../test/stage/stage.ts";

const MOST_MB = 40;
const MOST_DESCRIPTORS = 10;
const [reloads, everyReloads] = [Number(process.argv[2] ?? 1_000), Number(process.argv[3] ?? 50)];
const program: [string] = [resolve(import.meta.dirname, "../../dist/taskexe")];

await Stage.with(async (stage) => {
  const began = performance.now();
  const flow = await reloadWhileTasksFlow(stage, { program, reloads, everyReloads });
  console.table(flow.figures.map(({ rssMb, ...figures }) => ({ ...figures, rssMb: Math.round(rssMb) })));
  const seconds = (performance.now() - began) / 1_000;
  const twice = [...flow.runs].filter(([, count]) => count > 1).map(([id]) => id);
  const warm = flow.figures.find((figures) => figures.reloads >= reloads / 5);
  const last = flow.figures.at(-1);
  if (warm === undefined || last === undefined) throw new Error("there are no figures: reload more often");
  const grownMb = last.rssMb - warm.rssMb;
  const grownDescriptors = last.descriptors - warm.descriptors;
  console.log(
    `${reloads} reloads and ${flow.tasks} tasks in ${seconds.toFixed(0)} s: ${flow.undone.length} not done at once, ` +
      `${twice.length} run twice, ${flow.left.length} processes left; ${grownMb.toFixed(1)} MB and ` +
      `${grownDescriptors} descriptors more than after a fifth of it`,
  );
  const problems = [
    ...flow.undone,
    ...twice.map((id) => `${id} was run twice`),
    ...(flow.runs.size === flow.tasks ? [] : [`${flow.tasks - flow.runs.size} tasks were never run`]),
    ...flow.left.map((pid) => `process ${pid} is left`),
    ...(grownMb > MOST_MB ? [`memory has grown by ${grownMb.toFixed(1)} MB`] : []),
    ...(grownDescriptors > MOST_DESCRIPTORS ? [`descriptors have grown by ${grownDescriptors}`] : []),
  ];
  for (const problem of problems.slice(0, 50)) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
});
