/** SQLite as a driver: addresses that are paths, and the queue of whoever names no broker. */
import { isAbsolute, resolve } from "node:path";
import type { Driver } from "../driver.ts";
import { pathOf } from "./address.ts";

const SCHEME = "sqlite:";
const FORM = "sqlite:PATH/TO/FILE.db";

export const sqliteDriver: Driver = {
  name: "sqlite",
  schemes: [SCHEME],
  beginnings: [SCHEME],
  forms: [FORM],
  secretSchemes: [],
  pathSchemes: [SCHEME],

  problem: (address) => (address.length > SCHEME.length ? null : FORM),
  fileOf: pathOf,
  from(address, folder) {
    const path = address.slice(SCHEME.length);
    return path === "" || isAbsolute(path) || /^[~:]/.test(path) ? address : `${SCHEME}${resolve(folder, path)}`;
  },
  embedded: (path) => `${SCHEME}${path}`,
  placeOf: (url) => resolve(url.slice(SCHEME.length)),
  advise: () => null,
  isConflict: () => false,
  async create(address, options) {
    const { SqliteBroker } = await import("./sqlite-broker.ts");
    return new SqliteBroker(address, options);
  },
};
