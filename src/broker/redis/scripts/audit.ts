/** The record of changes: one stream, cut with every entry that comes, which goes with the time of the last one. */
import {
  AUDIT_KEPT_MS,
  type Audit,
  type AuditLimits,
  type AuditText,
  checkAuditTexts,
  MOST_AUDIT_ENTRIES,
} from "../../contract/audit.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { AUDIT_KEY } from "../keys.ts";
import { runScript, script } from "./lua.ts";

/** KEYS audit; ARGV how many stay, for how many ms, the texts. */
const ADD_AUDIT = script(
  `
expect('stream', KEYS[1])
for index = 3, #ARGV do call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'entry', ARGV[index]) end
local time = redis.call('TIME')
local oldest = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[2])
call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', oldest))
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  1,
);

export class RedisAudit implements Audit {
  readonly #connections: Pick<RedisConnections, "run">;
  readonly #limits: Required<AuditLimits>;

  constructor(connections: Pick<RedisConnections, "run">, limits: AuditLimits = {}) {
    this.#connections = connections;
    this.#limits = { most: MOST_AUDIT_ENTRIES, keptMs: AUDIT_KEPT_MS, ...limits };
  }

  async add(texts: readonly string[]): Promise<void> {
    checkAuditTexts(texts);
    if (texts.length === 0) return;
    const { most, keptMs } = this.#limits;
    await this.#connections.run((redis) => runScript(redis, ADD_AUDIT, AUDIT_KEY, most, keptMs, ...texts));
  }

  async list(before: string | null, max: number): Promise<AuditText[]> {
    const end = before === null ? "+" : `(${before}`;
    const entries = await this.#connections.run((redis) => redis.xrevrange(AUDIT_KEY, end, "-", "COUNT", max));
    return entries.map(([id, fields]) => ({ id, at: Number(id.split("-")[0]), text: fields[1] ?? "" }));
  }
}
