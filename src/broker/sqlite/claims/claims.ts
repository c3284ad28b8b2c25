/**
 * Taking, keeping and giving back ownership. Each change of owner draws a new token and sets a new lease; whoever
 * still shows the old token changes nothing. One host, one clock: a lease is over when its time has passed.
 */
import { type Delivery, MAX_ENQUEUE_BATCH } from "../../broker.ts";
import { type LeaseStamp, stampLease } from "../../lease-stamp.ts";
import { anyFlag, flaggedOf } from "../cancels.ts";
import { NO_TOKEN, PARKED, STATE } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import type { Bell } from "../news/bell.ts";
import { QUEUE_IS_PAUSED, type SqlitePauses, TYPE_IS_PAUSED, unlessPaused } from "../pauses.ts";
import { DELIVERY_COLUMNS, inOrder, newToken, SqliteDelivery } from "./delivery.ts";

const { queued, running } = STATE;

const RENEW = `UPDATE tasks SET lease_until = ? WHERE seq = ? AND token = ? AND state = ${running}`;
// The place stays: whatever is queued behind it now was behind it before.
const RELEASE =
  `UPDATE tasks SET state = ${queued}, token = ${NO_TOKEN}, owner = NULL, deliveries = deliveries - 1, ` +
  `attempt = attempt - 1 WHERE seq = ? AND token = ? AND state = ${running}`;
/** The same for one whose holder is gone and that must not run now: that it was delivered still counts. */
const PUT_BACK =
  `UPDATE tasks SET state = ${queued}, token = ${NO_TOKEN}, owner = NULL, attempt = attempt - 1 ` +
  "WHERE seq = ? AND token = ?";
const IS_PAUSED = `(${QUEUE_IS_PAUSED} OR ${TYPE_IS_PAUSED}) AS paused`;
const OWN = `SELECT seq, token, queue, ${IS_PAUSED} FROM tasks WHERE state = ${running} AND owner = ? ORDER BY place`;
/** Whoever held it before died or stalled over it. The attempt did not end, so it goes on under its number. */
const TAKE_OVER = `UPDATE tasks SET token = ?1, lease_until = ?2, owner = ?3, started_at = ?4,
  deliveries = deliveries + 1 WHERE seq = ?5 AND token = ?6 RETURNING ${DELIVERY_COLUMNS}`;

const NONE: ReadonlySet<string> = new Set();

/** How long a claim waits for something to come, in ms. */
const CLAIM_WAITS_MS = 5_000;

/** How many of the first in line are looked at for paused types in one go, and how often in one transaction. */
const PARKED_AT_ONCE = 500;
const PARKING_ROUNDS = 2;

/** The seqs of the first tasks in line over all queues that are not paused; `?1` is how many, then come the queues. */
function firstInLine(queues: readonly string[]): string {
  const line = (parameter: number): string =>
    `SELECT seq, priority, place FROM tasks
      WHERE state = ${queued} AND queue = ${unlessPaused(`?${parameter}`)}`;
  return `SELECT seq FROM (${queues.map((_, index) => line(index + 2)).join(" UNION ALL ")}
    ORDER BY priority DESC, place LIMIT ?1)`;
}

export class SqliteClaims {
  readonly #store: Store;
  readonly #executor: string;
  readonly #leaseMs: number;
  readonly #queues: readonly string[];
  readonly #claim: string;
  readonly #pauses: SqlitePauses;
  readonly #park: string;
  readonly #anyQueued: string;
  readonly #expired: string;

  constructor(store: Store, executor: string, leaseMs: number, queues: readonly string[], pauses: SqlitePauses) {
    this.#store = store;
    this.#pauses = pauses;
    this.#executor = executor;
    this.#leaseMs = leaseMs;
    this.#queues = queues;
    const n = queues.length;
    this.#claim = `UPDATE tasks SET state = ${running}, token = ?${n + 2}, lease_until = ?${n + 3}, owner = ?${n + 4},
      started_at = ?${n + 5}, deliveries = deliveries + 1, attempt = attempt + 1
      WHERE seq IN (${firstInLine(queues)}) AND NOT ${TYPE_IS_PAUSED} RETURNING ${DELIVERY_COLUMNS}`;
    this.#park = `UPDATE tasks SET state = ${PARKED} WHERE seq IN (${firstInLine(queues)}) AND ${TYPE_IS_PAUSED}`;
    this.#anyQueued = queues
      .map((_, index) => index + 1)
      .map((n) => `SELECT 1 FROM tasks WHERE state = ${queued} AND queue = ${unlessPaused(`?${n}`)}`)
      .join(" UNION ALL ")
      .concat(" LIMIT 1");
    const own = queues.map((_, index) => `?${index + 4}`).join(", ");
    this.#expired = `SELECT seq, token, queue, ${IS_PAUSED} FROM tasks
      WHERE state = ${running} AND lease_until <= ?1 AND owner <> ?2 AND queue IN (${own})
      ORDER BY lease_until LIMIT ?3`;
  }

  /** Takes what is there; where nothing is, waits for the bell and looks again, for some seconds. */
  async claim(max: number, signal: AbortSignal, bell: Bell): Promise<Delivery[]> {
    const until = performance.now() + CLAIM_WAITS_MS;
    while (true) {
      signal.throwIfAborted();
      // Before the look, so that no ring between look and wait is missed.
      const rung = bell.next();
      const taken = await this.#take(Math.min(max, MAX_ENQUEUE_BATCH), signal);
      if (taken.length > 0 || performance.now() >= until) return taken;
      await rung.wait(signal);
    }
  }

  /** Takes what is there, without waiting for more. A look comes first, so that an idle executor writes nothing. */
  async #take(max: number, signal: AbortSignal): Promise<Delivery[]> {
    while (true) {
      const any = await this.#store.read((sql) => {
        this.#pauses.learn(sql);
        return sql(this.#anyQueued).get(...this.#queues);
      });
      if (any === undefined) return [];
      const lease = stampLease();
      const { taken, parked } = await this.#store.write(max, (tx) => this.#takeSome(tx, max, lease), signal);
      if (taken.length > 0 || parked === 0) return taken;
    }
  }

  #takeSome(tx: Transaction, max: number, lease: LeaseStamp): { readonly taken: Delivery[]; readonly parked: number } {
    const { now } = tx;
    const holder = [newToken(), now + this.#leaseMs, this.#executor, now];
    const flags = anyFlag(tx);
    const somePaused = this.#pauses.learn((text) => tx.sql(text));
    const deliveries: SqliteDelivery[] = [];
    let parked = 0;
    for (let round = 0; round < PARKING_ROUNDS; round += 1) {
      const rows = tx.sql(this.#claim).all(max - deliveries.length, ...this.#queues, ...holder);
      const flagged = flags
        ? flaggedOf(
            tx,
            rows.map(({ id }) => String(id)),
          )
        : NONE;
      deliveries.push(...rows.map((row) => new SqliteDelivery(row, flagged.has(String(row.id)), lease)));
      if (!somePaused || deliveries.length === max) break;
      const aside = Number(tx.sql(this.#park).run(PARKED_AT_ONCE, ...this.#queues).changes);
      if (aside === 0) break;
      parked += aside;
    }
    for (const { queue } of deliveries) tx.moved(queue, "queued", "running");
    return { taken: inOrder(deliveries), parked };
  }

  recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    const lease = stampLease();
    return this.#store.write(max, (tx) => {
      const own = tx.sql(OWN).all(this.#executor);
      const strays = own.filter((row) => !known.has(`${row.seq}-${row.token}`));
      return this.#takeOver(tx, strays.slice(0, max), lease);
    });
  }

  async reclaim(max: number): Promise<Delivery[]> {
    const values = [this.#executor, max, ...this.#queues];
    const any = await this.#store.read((sql) => sql(this.#expired).get(Date.now(), ...values));
    if (any === undefined) return [];
    const lease = stampLease();
    return this.#store.write(max, (tx) => this.#takeOver(tx, tx.sql(this.#expired).all(tx.now, ...values), lease));
  }

  #takeOver(tx: Transaction, rows: readonly Record<string, unknown>[], lease: LeaseStamp): Delivery[] {
    const token = newToken();
    const flags = anyFlag(tx);
    const taken: SqliteDelivery[] = [];
    this.#pauses.learn((text) => tx.sql(text));
    for (const { seq, token: old, queue, paused } of rows) {
      if (typeof seq !== "number" || typeof old !== "number") continue;
      if (paused === 1) {
        if (tx.sql(PUT_BACK).run(seq, old).changes === 1) tx.moved(String(queue), "running", "queued");
        continue;
      }
      const row = tx.sql(TAKE_OVER).get(token, tx.now + this.#leaseMs, this.#executor, tx.now, seq, old);
      if (row !== undefined) taken.push(new SqliteDelivery(row, flags, lease));
    }
    return inOrder(taken);
  }

  /** Gives those that are lost. */
  async renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    const lease = stampLease();
    const own = deliveries.map((delivery) => SqliteDelivery.of(delivery));
    const lost = await this.#store.write(own.length, (tx) => {
      const statement = tx.sql(RENEW);
      const until = tx.now + this.#leaseMs;
      return new Set(own.filter(({ seq, token }) => statement.run(until, seq, token).changes !== 1));
    });
    for (const delivery of own) if (!lost.has(delivery)) delivery.lease = lease;
    return [...lost];
  }

  /** Tells whether anything was handed back. */
  release(deliveries: readonly Delivery[]): Promise<boolean> {
    return this.#store.write(deliveries.length, (tx) => {
      const released = deliveries.filter((delivery) => releaseOne(tx, SqliteDelivery.of(delivery)));
      return released.length > 0;
    });
  }
}

/** Back to its place in the line; false where it is not ours any more. */
export function releaseOne(tx: Transaction, { seq, token, queue }: SqliteDelivery): boolean {
  if (tx.sql(RELEASE).run(seq, token).changes !== 1) return false;
  tx.moved(queue, "running", "queued");
  return true;
}
