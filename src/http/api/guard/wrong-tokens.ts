/**
 * Slows down whoever tries tokens: so many wrong ones a minute from one client of the network, and what comes then is
 * refused unread, but for tokens that this client has shown before: one program that is set up wrong shuts nobody out.
 */
import { clientOf } from "../../client-of.ts";

const MOST_A_MINUTE = 20;
const MINUTE_MS = 60_000;
/** How many clients are remembered, and of each how many of its tokens. */
const MOST_CLIENTS = 10_000;
const MOST_SHOWN = 16;

interface Client {
  wrong: number;
  since: number;
  /** The names of right tokens that it has shown, the latest last. */
  readonly shown: Set<string>;
}

export class WrongTokens {
  readonly #clients = new Map<string, Client>();
  readonly #now: () => number;

  /** @param now - a clock that only goes forward, in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * A client shows a token.
   *
   * @param found - the name of the token; null: it is none.
   * @returns in how many ms it may try again; 0: what it has shown counts.
   */
  shows(peer: string, found: string | null): number {
    const key = clientOf(peer);
    const now = this.#now();
    const client = this.#clients.get(key) ?? { wrong: 0, since: now, shown: new Set<string>() };
    if (now - client.since >= MINUTE_MS) [client.wrong, client.since] = [0, now];
    const isKnown = found !== null && client.shown.has(found);
    if (client.wrong >= MOST_A_MINUTE && !isKnown) return client.since + MINUTE_MS - now;
    if (isKnown) return 0;
    if (found === null) client.wrong++;
    else keep(client.shown, found, MOST_SHOWN);
    // The one that has come last goes last.
    this.#clients.delete(key);
    this.#clients.set(key, client);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > MOST_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
    return 0;
  }
}

function keep(names: Set<string>, name: string, most: number): void {
  names.add(name);
  const [oldest] = names;
  if (names.size > most && oldest !== undefined) names.delete(oldest);
}
