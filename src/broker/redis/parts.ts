/**
 * The parts of the Redis broker, made and joined: which part is handed to which. What the broker does with them is in
 * redis-broker.ts, and what each does in its own file.
 */

import { DEFAULT_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import type { BrokerOptions } from "../broker.ts";
import { DEFAULT_LOG_BYTES } from "../contract/admin.ts";
import type { MoveIn } from "../contract/sources.ts";
import { type KeepingRules, keepingRules } from "../removal.ts";
import { RedisCancels } from "./cancels.ts";
import { RedisClaims } from "./claims/claims.ts";
import { RedisCompletion } from "./claims/completion.ts";
import { RedisHandBack } from "./claims/hand-back.ts";
import { LastDelivered } from "./claims/last-delivered.ts";
import { RedisLeases } from "./claims/leases.ts";
import { RedisOtherPrograms } from "./claims/other-programs.ts";
import { TaskStarts } from "./claims/task-starts.ts";
import { parseRedisAddress } from "./connection/address.ts";
import { RedisClock } from "./connection/clock.ts";
import { RedisConnections } from "./connection/connections.ts";
import { Doubt } from "./connection/doubt.ts";
import { RedisDuties } from "./connection/duties.ts";
import { RedisServerFacts } from "./connection/server-facts.ts";
import { WriteCoalescer } from "./connection/write-coalescer.ts";
import { RedisEnqueue } from "./enqueue.ts";
import { RedisFleet } from "./fleet.ts";
import { RedisFinder } from "./looks/finder.ts";
import { RedisManyChanges } from "./many-changes.ts";
import { RedisPauses } from "./pauses.ts";
import { RedisQueueRegister } from "./queue-register.ts";
import { RedisQueueUpkeep } from "./queue-upkeep.ts";
import { RedisElsewhere } from "./records/elsewhere.ts";
import { RedisListing } from "./records/listing.ts";
import { RedisRemoval } from "./records/removal.ts";
import { RedisRetryAndPurge } from "./records/retry-and-purge.ts";
import { RedisLogs } from "./records/task-logs.ts";
import { RedisRecords } from "./records/task-records.ts";
import { RedisVanished } from "./records/vanished.ts";
import { RedisSchedules } from "./schedules/schedules.ts";
import { movesIn } from "./scripts/sources.ts";
import { type StreamName, streamsOf } from "./streams.ts";

/** After how long without a beat an executor is expelled where nobody says it, in ms. */
const DEFAULT_HEARTBEAT_TIMEOUT_MS = 120_000;
/** The name that clients, who claim nothing, appear under. */
const CLIENT_NAME = "taskexe-client";

export class RedisParts {
  readonly url: string;
  readonly connections: RedisConnections;
  readonly wire: WriteCoalescer;
  readonly intake: RedisClaims;
  readonly completion: RedisCompletion;
  readonly leases: RedisLeases;
  readonly handBack: RedisHandBack;
  readonly last: LastDelivered;
  readonly fleet: RedisFleet;
  readonly others: RedisOtherPrograms;
  readonly queues: RedisEnqueue;
  readonly register: RedisQueueRegister;
  readonly upkeep: RedisQueueUpkeep;
  readonly keeping: KeepingRules;
  readonly records: RedisRecords;
  readonly removal: RedisRemoval;
  readonly finder: RedisFinder;
  readonly cancels: RedisCancels;
  readonly pauses: RedisPauses;
  readonly listing: RedisListing;
  readonly logs: RedisLogs;
  readonly byHand: RedisRetryAndPurge;
  readonly many: RedisManyChanges;
  readonly elsewhere: RedisElsewhere;
  readonly vanished: RedisVanished;
  readonly schedules: RedisSchedules;
  readonly moveIn: MoveIn;
  readonly name: string;
  /** Of the queues that are served, the urgent ones first. */
  readonly streams: readonly StreamName[];
  readonly heartbeatTimeoutMs: number;
  readonly clock: RedisClock;
  readonly duties: RedisDuties;
  readonly server: RedisServerFacts;

  /** @throws BrokerUrlError when the address cannot be read. */
  constructor(url: string, options: BrokerOptions) {
    const address = parseRedisAddress(url);
    this.url = address.display;
    this.name = options.executor ?? CLIENT_NAME;
    const priorities = options.priorities ?? DEFAULT_PRIORITIES;
    const streams = streamsOf(options.queues, priorities);
    this.streams = streams;
    const now = (): number => this.clock.now();
    const heartbeatTimeoutMs = options.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS;
    this.heartbeatTimeoutMs = heartbeatTimeoutMs;
    this.connections = new RedisConnections(address.options, this.name);
    this.clock = new RedisClock(this.connections);
    this.server = new RedisServerFacts(this.connections, this.url);
    const wire = new WriteCoalescer(this.connections);
    this.wire = wire;
    this.pauses = new RedisPauses(this.connections);
    const { leaseMs } = options;
    const doubt = new Doubt(leaseMs);
    this.last = new LastDelivered(this.connections);
    const { last } = this;
    const common = { connections: this.connections, wire, executor: this.name, doubt, last };
    this.keeping = keepingRules(options);
    this.register = new RedisQueueRegister(this.connections);
    const register = () => this.register.serve(options.queues, this.keeping);
    this.fleet = new RedisFleet(this.connections, this.name, heartbeatTimeoutMs, now);
    this.others = new RedisOtherPrograms(this.connections, this.fleet, heartbeatTimeoutMs, now);
    this.intake = new RedisClaims(
      this.connections,
      wire,
      this.name,
      streams,
      this.pauses,
      doubt,
      last,
      this.others,
      register,
    );
    this.completion = new RedisCompletion({ ...common, leaseMs, now });
    this.duties = new RedisDuties(this.connections, options.executor !== null, () => this.intake.renewGroups());
    this.handBack = new RedisHandBack(this.connections, this.name, last);
    this.leases = new RedisLeases({
      connections: this.connections,
      executor: this.name,
      leaseMs,
      streams,
      intake: this.intake,
      fleet: this.fleet,
    });
    this.queues = new RedisEnqueue(this.connections, options.queues, priorities);
    const starts = new TaskStarts((name) => this.fleet.lastBeat(name), now);
    this.records = new RedisRecords(this.connections, starts);
    this.removal = new RedisRemoval(this.connections, this.name, this.keeping);
    this.finder = new RedisFinder(this.connections, starts, streams);
    this.cancels = new RedisCancels(this.connections, now, doubt, this.finder);
    this.logs = new RedisLogs(this.connections, options.logBytes ?? DEFAULT_LOG_BYTES);
    this.listing = new RedisListing(this.connections, this.records, starts, options.queues, priorities);
    this.elsewhere = new RedisElsewhere(this.connections, this.fleet);
    this.vanished = new RedisVanished(this.connections, this.elsewhere, now);
    this.byHand = new RedisRetryAndPurge(this.connections, options.queues);
    this.many = new RedisManyChanges(this.connections, this.cancels, options.queues, priorities);
    this.schedules = new RedisSchedules(this.connections, priorities, now);
    this.moveIn = movesIn(this.connections, this.register, this.name);
    this.upkeep = new RedisQueueUpkeep({
      connections: this.connections,
      register: this.register,
      removal: this.removal,
      forgetMarks: (queues) => this.cancels.forgetOld(queues),
      schedules: () => this.schedules.every((call) => call()),
      served: options.queues,
      rules: this.keeping,
      heartbeatTimeoutMs,
      now,
      unusedMs: options.queueUnusedMs,
    });
  }

  /** The record of a task, as it is once it is known whether it has ended elsewhere. */
  async record(id: string): Promise<TaskRecord | null> {
    const record = await this.records.get(id);
    return record?.state === "queued" && (await this.elsewhere.hasEnded(id)) ? this.records.get(id) : record;
  }
}
