/**
 * The cursor of a list: for everybody but the broker that gave it a text to hand back, which says nothing. In it stand
 * the number of the source that comes next, and a place in that, which each broker writes in its own way.
 */

/** What every cursor looks like, whichever broker gave it. */
export const CURSOR_PATTERN = /^[A-Za-z0-9_-]{2,120}$/;

const HOLDS = /^(\d{1,6}):(.*)$/s;

export function writeCursor(source: number, place: string): string {
  return Buffer.from(`${source}:${place}`).toString("base64url");
}

/**
 * @param places - what a place of this broker looks like, whole.
 * @throws RangeError for a text that is no cursor of this broker's.
 */
export function readCursor(cursor: string, places: RegExp): { readonly source: number; readonly place: string } {
  const held = CURSOR_PATTERN.test(cursor) ? Buffer.from(cursor, "base64url").toString() : "";
  const [, source = "", place = ""] = HOLDS.exec(held) ?? [];
  if (source === "" || !places.test(place) || writeCursor(Number(source), place) !== cursor) {
    throw new RangeError(`the cursor "${cursor}" is not one that a list has given`);
  }
  return { source: Number(source), place };
}
