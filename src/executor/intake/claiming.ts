/** The loops that take tasks in, until a drain is asked for or, in an executor that only works off, nothing is left. */
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, withNursery, withScope } from "../../concurrency/index.ts";
import type { Drain } from "../leaving/drain.ts";
import type { WorkOff } from "../leaving/work-off.ts";
import { reclaimExpired } from "../upkeep/sweeper.ts";
import type { Intake } from "./intake.ts";

export interface ClaimingParts {
  readonly broker: Broker;
  readonly intake: Intake;
  readonly drain: Drain;
  /** Null: it goes on for ever. */
  readonly workOff: WorkOff | null;
}

/** Claims and takes over until a drain is asked for, or nothing more is due to an executor that only works off. */
export async function claimUntilLeaving(scope: CancelScope, parts: ClaimingParts): Promise<void> {
  const { drain, workOff, intake } = parts;
  do await claim(scope, parts);
  while (workOff !== null && !drain.isRequested && (await workOff.isMoreDue(intake, scope.signal)));
  if (workOff !== null) drain.request("nothing more is due");
}

/** Until a drain is asked for, or nothing runs any more. Nothing is under way when it returns. */
async function claim(scope: CancelScope, { broker, intake, drain, workOff }: ClaimingParts): Promise<void> {
  await withScope(scope, {}, (claims) =>
    withNursery(
      claims,
      async (loops) => {
        intake.run(loops);
        loops.startSoon(
          (task) => reclaimExpired(broker, (look, signal) => intake.takeOrphans(look, signal), task.signal),
          { name: "reclaim" },
        );
        if (workOff !== null) {
          loops.startSoon(
            async (task) => {
              await workOff.quiet(intake, task.signal);
              claims.cancel("nothing runs");
            },
            { name: "work off" },
          );
        }
        await drain.wait(loops.scope.signal);
        claims.cancel("drain");
      },
      { name: "claims" },
    ),
  );
}
