// What tests of programs built on this package need: virtual time.

export { MockClock } from "./concurrency/mock-clock.ts";
