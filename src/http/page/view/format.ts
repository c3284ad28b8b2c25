/** Numbers, spans, sizes and times as the page writes them. */

/** A thin space that does not break: 12 408. */
const THIN = "\u202f";
const DASH = "–";

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** With one digit behind the point where it is small. */
export function rate(value: number): string {
  if (value === 0) return "0";
  return value < 10 ? value.toFixed(1) : count(value);
}

/** A span of ms in its two largest units. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return DASH;
  const positive = Math.max(0, ms);
  if (positive < 1_000) return `${Math.round(positive)}${THIN}ms`;
  if (positive < 10_000) return `${(positive / 1_000).toFixed(1)}${THIN}s`;
  const seconds = Math.round(positive / 1_000);
  if (seconds < 60) return `${seconds}${THIN}s`;
  if (seconds < 3_600) return two(Math.floor(seconds / 60), "m", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return two(Math.floor(minutes / 60), "h", minutes % 60, "m");
  const hours = Math.round(minutes / 60);
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  const first = `${count(large)}${THIN}${largeUnit}`;
  return small === 0 ? first : `${first} ${small}${THIN}${smallUnit}`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let [left, at] = [value, 0];
  while (left >= 1_000 && at < units.length - 1) [left, at] = [left / 1_000, at + 1];
  return `${left < 10 && at > 0 ? left.toFixed(1) : Math.round(left)}${THIN}${units[at]}`;
}

/** The time of day, with the date where it is not that of `now`. Unix ms; the zone as Intl has it. */
export function clock(at: number, zone: string, now: number): string {
  const time = part(at, zone, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const day = part(at, zone, { month: "short", day: "numeric" });
  return day === part(now, zone, { month: "short", day: "numeric" }) ? time : `${day} ${time}`;
}

/** All of it, for a tooltip. */
export function fullTime(at: number, zone: string): string {
  const options = { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" } as const;
  return part(at, zone, options);
}

/** ISO 8601, for the attribute of a time element. */
export function isoTime(at: number): string {
  return new Date(at).toISOString();
}

const formats = new Map<string, Intl.DateTimeFormat>();

function part(at: number, zone: string, options: Intl.DateTimeFormatOptions): string {
  const key = `${zone} ${JSON.stringify(options)}`;
  let format = formats.get(key);
  if (format === undefined) {
    // One page has one zone; whoever sends others does not fill the memory.
    if (formats.size > 100) formats.clear();
    format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
    formats.set(key, format);
  }
  return format.format(at);
}

/** Whether Intl knows a time zone. */
export function isZone(zone: string): boolean {
  if (!/^[A-Za-z0-9_+/-]{1,64}$/.test(zone)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** Unix ms of a time as statuses have it. */
export function at(time: string): number {
  return Date.parse(time);
}
