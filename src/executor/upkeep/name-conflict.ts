/**
 * Our name, and another process that has it too: two executors that were given the same one, or a successor that was
 * started while its predecessor still drains. What it holds must not be taken for ours; of two that live, the older one
 * leaves; and a name that a successor has registered is not ours to take down.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker, FleetMember } from "../../broker/broker.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Who we are, as our heartbeats say it. */
export interface Identity {
  readonly name: string;
  readonly pid: number;
  /** ISO 8601, as in the heartbeat. */
  readonly bootAt: string;
  readonly ipAddress: string;
}

/** A younger process has our name: two under one name would take each other's tasks for their own. */
export class NameTakenError extends Error {
  override readonly name = "NameTakenError";

  constructor(name: string, who: string) {
    super(`another executor has the name ${name} (${who}), so this older one leaves: give each a name of its own`);
  }
}

type Beat = NonNullable<FleetMember["beat"]>;

export class NameConflict {
  readonly #broker: Pick<Broker, "member" | "leave">;
  readonly #identity: Identity;
  readonly #leaveFor: (error: NameTakenError) => void;
  #isShared = false;

  /** @param leaveFor - asks the executor to leave, since another one has its name. */
  constructor(broker: Pick<Broker, "member" | "leave">, identity: Identity, leaveFor: (error: NameTakenError) => void) {
    this.#broker = broker;
    this.#identity = identity;
    this.#leaveFor = leaveFor;
  }

  /** Whether another process may hold tasks under our name. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Before the first beat: is somebody there under our name? A predecessor that is gone for sure does not count. */
  async meet(): Promise<void> {
    const other = await this.#other();
    if (other === null || this.#isGone(other)) return;
    this.#isShared = true;
    logger.warn(
      "An executor named {name} is registered already ({who}). If it still lives, it leaves, being the older one: " +
        "give each a name of its own. What it holds is taken over when its leases are over",
      { name: this.#identity.name, who: whoIs(other) },
    );
  }

  /**
   * Before every further beat: whoever was started under our name after us has it from now on.
   *
   * @returns whether it is still ours to beat under.
   */
  async isOurs(): Promise<boolean> {
    const successor = await this.#successor();
    if (successor === null) return true;
    this.#leaveFor(new NameTakenError(this.#identity.name, whoIs(successor)));
    return false;
  }

  /** The last beat, and out of the fleet, unless a successor has registered the name again. */
  async leave(json: string): Promise<void> {
    if ((await this.#successor()) === null) await this.#broker.leave(json);
  }

  async #successor(): Promise<Beat | null> {
    const other = await this.#other();
    return other !== null && this.#isYounger(other) ? other : null;
  }

  /** The last beat under our name, where it is not ours. */
  async #other(): Promise<Beat | null> {
    const { name, pid, bootAt } = this.#identity;
    const beat = (await this.#broker.member(name))?.beat ?? null;
    return beat === null || (beat.pid === pid && beat.boot_at === bootAt) ? null : beat;
  }

  /** It was of this machine, and no process has its number. */
  #isGone({ ip_address: ip, pid }: Beat): boolean {
    const { ipAddress, pid: own } = this.#identity;
    return ip === ipAddress && pid !== undefined && (pid === own || !isAlive(pid));
  }

  #isYounger(beat: Beat): boolean {
    const { bootAt, pid } = this.#identity;
    const [theirs, ours] = [Date.parse(beat.boot_at ?? ""), Date.parse(bootAt)];
    return theirs === ours ? (beat.pid ?? 0) > pid : theirs > ours;
  }
}

function whoIs({ pid, ip_address: ip }: Beat): string {
  return `process ${pid} at ${ip}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Any other refusal (EPERM) comes from a process that is there.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
