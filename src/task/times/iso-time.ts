/** ISO 8601 with milliseconds and the local offset, as heartbeats carry it: `2025-04-24T15:22:31.508+08:00`. */
export function isoWithOffset(unixMs: number): string {
  const date = new Date(unixMs);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  return `${local}${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
}
