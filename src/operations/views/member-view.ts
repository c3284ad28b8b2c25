/** The JSON of an executor's last heartbeat, as statuses have it: of one executor, of a broker, of the live view. */
import type { FleetMember } from "../../broker/broker.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";

/** `at` is when it was sent, ISO 8601 as all times of a status; null: no beat is there. */
export type MemberJson = Omit<FleetMember, "at"> & { readonly at: string | null };

export function memberView({ name, at, beat }: FleetMember): MemberJson {
  return { name, at: at === null ? null : isoWithOffset(at), beat };
}
