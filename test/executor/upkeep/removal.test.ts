/**
 * The executor removes what is over without a pause while there is more, and looks again soon where the broker is away.
 */
import { test } from "node:test";
import { BrokerUnavailableError } from "../../../src/broker/broker.ts";
import { openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { removeEnded } from "../../../src/executor/upkeep/sweeper.ts";
import { until } from "../../stage/until.ts";

test("what is over is removed step after step while there is more, also after a while without a broker", async () => {
  let left = 60;
  let isAway = true;
  const broker = {
    removeEnded: async () => {
      if (isAway) {
        isAway = false;
        throw new BrokerUnavailableError("away");
      }
      left -= 1;
      return { removed: 1, more: left > 0 };
    },
  };
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => removeEnded(broker, task.signal));
    // Its regular looks would take 40 s.
    await until("all is removed", 8_000, () => left <= 0);
    nursery.scope.cancel("seen");
  });
});
