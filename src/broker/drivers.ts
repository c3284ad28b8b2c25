/**
 * The drivers that there are, and every question about an address that one of them answers. No other file outside the
 * drivers' own folders knows one from another: a driver is its folder, and one line here.
 */
import type { Broker, BrokerOptions } from "./broker.ts";
import { BrokerUrlError } from "./broker-url-error.ts";
import type { Driver } from "./driver.ts";
import { redisDriver } from "./redis/driver.ts";
import { sqliteDriver } from "./sqlite/driver.ts";

export { BrokerUrlError };

const DRIVERS: Driver[] = [redisDriver, sqliteDriver];

/** Adds a driver to this process; gives what takes it away again. Tests bring one of their own. */
export function registerDriver(driver: Driver): () => void {
  DRIVERS.push(driver);
  return () => {
    DRIVERS.splice(DRIVERS.indexOf(driver), 1);
  };
}

/** How the addresses of all drivers begin, up to the colon, in lower case: all, or some of them as Driver says. */
export function schemes(of: "schemes" | "secretSchemes" | "pathSchemes" = "schemes"): readonly string[] {
  return DRIVERS.flatMap((driver) => driver[of]);
}

/** The addresses that can be, for people: `a, b or c`. */
export function addressForms(): string {
  return listed(DRIVERS.flatMap(({ forms }) => forms));
}

/** What is expected in place of this address; null: some driver may read it. */
export function addressProblem(address: string): string | null {
  const driver = driverOf(address);
  return driver === null ? addressForms() : driver.problem(address);
}

/** The file that an address names, absolute; null: it names none. @throws BrokerUrlError where no file can be that. */
export function fileOf(address: string): string | null {
  return driverOf(address)?.fileOf?.(address) ?? null;
}

/** The address with whatever path it holds counted from `folder`. */
export function addressFrom(address: string, folder: string): string {
  return driverOf(address)?.from?.(address, folder) ?? address;
}

/** The same address, in which a file stands by its absolute path. @throws BrokerUrlError as fileOf does. */
export function wholeAddress(address: string): string {
  const driver = driverOf(address);
  const file = driver?.fileOf?.(address);
  return file === undefined ? address : (driver?.embedded?.(file) ?? address);
}

/** The address of the embedded queue in this file. */
export function embeddedAddress(path: string): string {
  for (const { embedded } of DRIVERS) if (embedded !== undefined) return embedded(path);
  throw new TypeError("no driver keeps a queue in a file");
}

/** Whether a broker at this address can move tasks in from keys (`[source.NAME]`). */
export function hasKeySources(address: string): boolean {
  return driverOf(address)?.hasKeySources === true;
}

/** The same text for two addresses, as brokers show them, of one place. */
export function placeOf(url: string): string {
  return driverOf(url)?.placeOf(url) ?? url;
}

/** Lines for people about an error of a broker's server; null: it is none of those. */
export function advise(error: Error): readonly string[] | null {
  for (const driver of DRIVERS) {
    const lines = driver.advise(error);
    if (lines !== null) return lines;
  }
  return null;
}

/** Whether an error says that something else stands in the broker where a task or a queue should. */
export function isConflict(error: Error): boolean {
  return DRIVERS.some((driver) => driver.isConflict(error));
}

/**
 * Makes the broker of an address. Nothing is connected yet: call `open`.
 *
 * @throws (rejects) BrokerUrlError when the address cannot be read; the message never shows a password.
 */
export async function createBroker(address: string, options: BrokerOptions): Promise<Broker> {
  const driver = driverOf(address);
  if (driver !== null) return driver.create(address, options);
  const scheme = schemeOf(address);
  const isShown = /^[a-z][a-z+]{1,9}:$/.test(scheme) && address.startsWith("//", scheme.length);
  const beginnings = listed(DRIVERS.flatMap((each) => each.beginnings));
  throw new BrokerUrlError(
    `the broker address must begin with ${beginnings}, got ${isShown ? `"${scheme}"` : "no scheme"}`,
  );
}

function driverOf(address: string): Driver | null {
  const scheme = schemeOf(address);
  return DRIVERS.find((driver) => driver.schemes.includes(scheme)) ?? null;
}

function schemeOf(address: string): string {
  return address.slice(0, address.indexOf(":") + 1).toLowerCase();
}

function listed(words: readonly string[]): string {
  return [words.slice(0, -1).join(", "), ...words.slice(-1)].join(" or ");
}
