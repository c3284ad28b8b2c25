/** Twenty reloads while tasks flow, on the executable; a thousand are `bun scripts/soak/reloads.ts`. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { buildExecutable } from "../../stage/executable.ts";
import { reloadWhileTasksFlow } from "../../stage/reload-flow.ts";
import { SLOW, Stage } from "../../stage/stage.ts";

test("no attempt is lost or run twice over twenty reloads, and nothing is left of earlier ones", SLOW, () =>
  Stage.with(async (stage) => {
    const program: [string] = [await buildExecutable(join(stage.folder, "bin/taskexe"))];
    const flow = await reloadWhileTasksFlow(stage, { program, reloads: 20, everyReloads: 10 });
    assert.deepEqual(flow.undone, []);
    assert.equal(flow.runs.size, flow.tasks);
    assert.deepEqual(
      [...flow.runs].filter(([, count]) => count !== 1),
      [],
    );
    // The guardian, and one runner.
    assert.equal(flow.figures.at(-1)?.children, 2);
    assert.deepEqual(flow.left, []);
    const descriptors = flow.figures.map((figures) => figures.descriptors);
    assert.ok(Math.max(...descriptors) - Math.min(...descriptors) <= 20, `${descriptors}`);
  }),
);
