/**
 * Our name, and another process that has it too: two executors that were given the same one, or a successor that was
 * started while its predecessor still drains. What it holds must not be taken for ours; of two that live, the older one
 * leaves; and a name that a successor has registered is not ours to take down.
 * An executor of another program, as RagFlow's, knows no such rule: it beats with no lease, and goes on. While one
 * lives under our name, we are the ones to leave, and nothing of what stands under that name is ours.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker, FleetMember } from "../../broker/broker.ts";
import { Latch } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Who we are, as our heartbeats say it. */
export interface Identity {
  readonly name: string;
  readonly pid: number;
  /** ISO 8601, as in the heartbeat. */
  readonly bootAt: string;
  readonly ipAddress: string;
}

/** After how long without a beat an executor is gone where nobody says it, in ms. */
const DEFAULT_HEARTBEAT_TIMEOUT_MS = 120_000;

/** A younger process has our name: two under one name would take each other's tasks for their own. */
export class NameTakenError extends Error {
  override readonly name = "NameTakenError";

  constructor(name: string, who: string) {
    super(`another executor has the name ${name} (${who}), so this older one leaves: give each a name of its own`);
  }
}

/** An executor of another program lives under our name. */
export class NameOfAnotherProgramError extends Error {
  override readonly name = "NameOfAnotherProgramError";

  constructor(name: string, who: string, agoMs: number, timeoutMs: number) {
    super(
      `an executor of another program lives under the name ${name} (${who}, its last heartbeat ` +
        `${Math.max(0, Math.round(agoMs / 1000))} s ago), so this one takes nothing and leaves: give it a name of ` +
        `its own (--name), or stop the other one; where that has been stopped, its name is free ` +
        `${timeoutMs / 1000} s after its last heartbeat`,
    );
  }
}

type Beat = NonNullable<FleetMember["beat"]>;

export class NameConflict {
  readonly #broker: Pick<Broker, "member" | "leave" | "now">;
  readonly #identity: Identity;
  readonly #leaveFor: (error: Error) => void;
  readonly #timeoutMs: number;
  #isShared = false;
  /** Whether the name belongs to an executor of another program that lives. */
  #isForeign = false;

  /**
   * @param leaveFor - asks the executor to leave, since another one has its name.
   * @param timeoutMs - after how long without a beat an executor of another program is gone.
   */
  constructor(
    broker: Pick<Broker, "member" | "leave" | "now">,
    identity: Identity,
    leaveFor: (error: Error) => void,
    timeoutMs = DEFAULT_HEARTBEAT_TIMEOUT_MS,
  ) {
    this.#broker = broker;
    this.#identity = identity;
    this.#leaveFor = leaveFor;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether another process may hold tasks under our name. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /**
   * Before the first beat: is somebody there under our name? A predecessor that is gone for sure does not count. Where
   * an executor of another program lives under it, this asks to leave, and waits for that.
   */
  async meet(signal: AbortSignal): Promise<void> {
    const found = await this.#other();
    if (found === null || this.#isGone(found.beat)) return;
    if (isOfAnotherProgram(found.beat)) {
      // Silent for long, it is gone: what it held is taken up.
      if (!this.#leavesTo(found)) return;
      await new Latch().wait(signal);
    }
    const other = found.beat;
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
    const other = await this.#other();
    if (other === null) return true;
    if (isOfAnotherProgram(other.beat)) return this.#isGone(other.beat) || !this.#leavesTo(other);
    if (!this.#isYounger(other.beat)) return true;
    this.#leaveFor(new NameTakenError(this.#identity.name, whoIs(other.beat)));
    return false;
  }

  /** The last beat, and out of the fleet, unless a successor has registered the name again. */
  async leave(json: string): Promise<void> {
    if (this.#isForeign) return;
    const other = await this.#other();
    if (other === null || !this.#isYounger(other.beat)) await this.#broker.leave(json);
  }

  /** Whether it lives, so that we leave the name to it. */
  #leavesTo({ beat, at }: Other): boolean {
    const agoMs = this.#broker.now() - at;
    if (agoMs > this.#timeoutMs) return false;
    this.#isForeign = true;
    this.#leaveFor(new NameOfAnotherProgramError(this.#identity.name, whoIs(beat), agoMs, this.#timeoutMs));
    return true;
  }

  /** The last beat under our name, where it is not ours. */
  async #other(): Promise<Other | null> {
    const { name, pid, bootAt } = this.#identity;
    const { beat = null, at = null } = (await this.#broker.member(name)) ?? {};
    return beat === null || (beat.pid === pid && beat.boot_at === bootAt) ? null : { beat, at: at ?? 0 };
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

/** A beat under our name that is not ours. */
interface Other {
  readonly beat: Beat;
  /** Unix ms on the broker's clock. */
  readonly at: number;
}

/** Each beat of ours tells its lease. */
function isOfAnotherProgram({ lease_ms: leaseMs }: Beat): boolean {
  return leaseMs === undefined;
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
