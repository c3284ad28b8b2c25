/**
 * The broker of the settings, looked at without a change: a server is asked whether it answers, a file only whether it
 * is there or could be made, since opening one may create it, or upgrade what is in it.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { openWithin } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { fileOf } from "../../broker/drivers.ts";
import { openRoot } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import { describe } from "../output/report-failure.ts";
import { brokerOf } from "../process/with-broker.ts";
import { type Finding, fine, problem } from "./finding.ts";

/** How long a server may take to answer, in ms. */
const ANSWERS_MS = 3_000;

/** @param connects - whether a server is asked. */
export async function checkBroker(settings: Settings, connects: boolean): Promise<Finding> {
  let broker: Broker;
  try {
    broker = await brokerOf(settings, null);
  } catch (error) {
    return problem("broker", describe(error).join("; "));
  }
  const file = fileOf(settings.broker);
  if (file !== null) return checkFile(broker.url, file);
  if (!connects) return fine("broker", `${broker.url} (${settings.brokerSource}); it was not asked`);
  try {
    await openWithin(broker, openRoot(), ANSWERS_MS);
    return fine("broker", `${broker.url} (${settings.brokerSource}) answers`);
  } catch (error) {
    return problem("broker", describe(error).join("; "), "start it, name another one, or give --offline");
  } finally {
    await broker.close();
  }
}

function checkFile(url: string, file: string): Finding {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile())
    return problem("broker", `${url}: ${file} is no file`, "name another one");
  const needed = there === undefined ? nearestFolder(dirname(file)) : file;
  try {
    accessSync(needed, constants.R_OK | constants.W_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return problem("broker", `${url}: ${reason}`, "give this user the right, or name another file");
  }
  return fine("broker", there === undefined ? `${url} is not there yet; it will be made` : `${url} is there`);
}

/** The folder itself, or the one above it that is there. */
function nearestFolder(folder: string): string {
  const above = dirname(folder);
  return above === folder || statSync(folder, { throwIfNoEntry: false }) !== undefined ? folder : nearestFolder(above);
}
