/**
 * Moves what stands in sources into the queue, while this executor holds them: again at once where more may be there,
 * when the next member is due, and every few ms, so that what comes while all is idle is picked up at once. Where
 * another executor holds a source, it is asked for now and then, should that one be gone.
 */
import { getLogger } from "@logtape/logtape";
import { ifAvailable } from "../../broker/availability.ts";
import { type Broker, CallRefusedError } from "../../broker/broker.ts";
import type { KeySource, Moved } from "../../broker/contract/sources.ts";
import { type CancelScope, sleep, sleepForever, withNursery } from "../../concurrency/index.ts";
import { FolderMover } from "./folder/folder-source.ts";
import type { MovedSource, SourceFigures } from "./source-figures.ts";

const logger = getLogger(["taskexe", "executor"]);

/** How often one is looked at that we hold, and one that another holds, in ms. */
const IDLE_MS = 5;
const OTHERS_MS = 300;
/** After a refusal, in ms. */
const REFUSED_MS = 1_000;
/** How many members one step moves: as many as hold Redis for some ms, whatever their length. */
const [LEAST, FIRST, MOST] = [1, 50, 500];
const [QUICK_MS, SLOW_MS] = [10, 25];

/** Moves until the scope is cancelled. @throws TypeError where the broker has no such keys. */
export async function moveFromSources(
  broker: Pick<Broker, "moveIn" | "enqueue">,
  { sources = [], once = false }: { readonly sources?: readonly MovedSource[]; readonly once?: boolean },
  scope: CancelScope,
): Promise<void> {
  const { moveIn } = broker;
  // One that only works off takes what is in the queue.
  if (sources.length === 0 || once) return sleepForever(scope.signal);
  await withNursery(
    scope,
    async (nursery) => {
      for (const { source, figures } of sources) {
        const options = { name: `source ${source.name}` };
        if (source.kind === "folder") {
          nursery.startSoon((task) => new FolderMover(broker, source, figures).run(task.scope), options);
        } else {
          if (moveIn === undefined) throw new TypeError("this broker has no keys from which tasks could be moved in");
          nursery.startSoon(({ signal }) => moveFrom(moveIn, source, figures, signal), options);
        }
      }
    },
    { name: "sources" },
  );
}

async function moveFrom(
  moveIn: NonNullable<Broker["moveIn"]>,
  source: KeySource,
  figures: SourceFigures,
  signal: AbortSignal,
): Promise<never> {
  let size = FIRST;
  for (;;) {
    const begun = performance.now();
    const answer: { moved: Moved | null } = { moved: null };
    const isThere = await ifAvailable(async () => {
      answer.moved = await moveIn(source, size);
    }).catch((error: unknown) => refused(error, source, figures));
    const { moved } = answer;
    if (!isThere || moved === null) {
      figures.held = false;
      await sleep(REFUSED_MS, signal);
      continue;
    }
    figures.problem = null;
    note(moved, source, figures);
    const tookMs = performance.now() - begun;
    if (tookMs > SLOW_MS) size = Math.max(LEAST, size >> 1);
    else if (tookMs < QUICK_MS && moved.moved === size) size = Math.min(MOST, size * 2);
    if (!moved.isOurs) await sleep(OTHERS_MS, signal);
    else if (moved.moved === 0) await sleep(Math.min(IDLE_MS, Math.max(1, moved.nextInMs ?? IDLE_MS)), signal);
    else signal.throwIfAborted();
  }
}

function note({ isOurs, moved, bad }: Moved, { name }: KeySource, figures: SourceFigures): void {
  if (isOurs !== figures.held) logger.debug("Source {name}: {what}", { name, what: isOurs ? "held" : "another's" });
  figures.held = isOurs;
  figures.moved += moved;
  figures.bad += bad;
  if (bad > 0) logger.warn("Source {name}: {bad} member(s) are no JSON, and end as dead", { name, bad });
}

/** A key of another kind, a right that lacks: it is tried again until somebody has mended it. */
function refused(error: unknown, { name }: KeySource, figures: SourceFigures): false {
  if (!(error instanceof CallRefusedError) && !(error instanceof Error && /^WRONGTYPE|^NOPERM/.test(error.message))) {
    throw error;
  }
  if (figures.problem !== error.message) logger.error("Source {name}: {reason}", { name, reason: error.message });
  figures.problem = error.message;
  return false;
}
