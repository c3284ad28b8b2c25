/** What no broker lists: checked before anything is read. */
import { type ListQuery, MAX_ADMINISTRATION_BATCH } from "./contract/admin.ts";

/** @throws RangeError for a limit that is not 1 to 1 000, or for bytes that are not a number from 1. */
export function checkListQuery({ limit, maxBytes = 1 }: ListQuery): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`the limit of a list must be 1 to ${MAX_ADMINISTRATION_BATCH}, got ${limit}`);
  }
  if (!(maxBytes >= 1)) throw new RangeError(`the bytes of a list's page must be a number from 1, got ${maxBytes}`);
}
