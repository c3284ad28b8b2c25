/** A schedule as the store has it. */
export interface KeptSchedule {
  readonly name: string;
  readonly definition: string;
  readonly state: string;
  /** When it is to be looked at, Unix ms; null: never. */
  lookAt: number | null;
  /** Another number, larger than all before, with every definition that is put. */
  readonly put: number;
}
