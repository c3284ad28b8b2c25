/** Preloaded into a process, it sets that process' wall clock off by SHIFT_MS; timers and the monotonic clock stay. */
const shiftMs = Number(process.env.SHIFT_MS ?? 0);
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + shiftMs] : args, newTarget),
  apply: () => new RealDate(RealDate.now() + shiftMs).toString(),
  get: (target, key) => (key === "now" ? () => RealDate.now() + shiftMs : Reflect.get(target, key)),
});
