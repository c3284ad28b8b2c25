/** Reads an address `sqlite:PATH`: which file it is. */
import { resolve } from "node:path";
import { withHome } from "../../runtime/process/home.ts";
import { BrokerUrlError } from "../broker-url-error.ts";

/**
 * The file of an address `sqlite:PATH`, absolute.
 *
 * @throws BrokerUrlError where there is no path, it is ":memory:", or begins with a home that is not known.
 */
export function pathOf(url: string): string {
  const path = url.slice(url.indexOf(":") + 1);
  if (path === "") throw new BrokerUrlError("sqlite: has no path behind it; write sqlite:/var/lib/taskexe/tasks.db");
  if (path === ":memory:") {
    throw new BrokerUrlError("sqlite::memory: must name a file: a database in memory would lose its tasks");
  }
  // What is meant for another broker may hold a password, so it is not shown.
  if (/^:|^\/\/[^/]|:\/\//.test(path)) {
    throw new BrokerUrlError("an sqlite: address must be sqlite:PATH or sqlite:///PATH, without a host");
  }
  const whole = withHome(path);
  if (/^~/.test(whole)) {
    throw new BrokerUrlError(
      "an sqlite: address cannot begin with ~ but for ~/, the home of a user who has one; write the whole path, or ./~",
    );
  }
  return resolve(whole);
}
