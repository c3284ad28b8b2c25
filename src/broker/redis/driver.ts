/** Redis as a driver: its addresses and its refusals, without the client library, which `create` loads. */
import { readText } from "../../concurrency/unknown-values.ts";
import type { Driver } from "../driver.ts";
import { redisRefusal } from "./connection/advice.ts";

const SCHEMES = ["redis:", "rediss:", "redis+unix:", "unix:"];
const FORMS = ["redis://HOST:PORT/DB", "rediss://...", "unix:///PATH/TO.sock"];
const ADDRESS = /^(rediss?:\/\/.|(redis\+)?unix:\/\/([^/]*@)?(localhost)?\/.)/i;
const WITH_HOST = /^rediss?:/i;

/** What our scripts say of a key that another program, or another kind of ours, has taken. */
const WRONG_KEY = /^WRONGTYPE the key "/;

export const redisDriver: Driver = {
  name: "redis",
  schemes: SCHEMES,
  beginnings: ["redis://", "rediss://", "unix://"],
  forms: FORMS,
  secretSchemes: SCHEMES,
  pathSchemes: ["unix:"],

  problem(address) {
    if (!ADDRESS.test(address)) return FORMS.join(", ");
    if (!WITH_HOST.test(address)) return null;
    if (!URL.canParse(address)) {
      const form = "redis://[user:password@]HOST[:PORT][/DB] with a port up to 65535";
      return `${form}; in a user or password "/" is written %2F, "%" %25`;
    }
    if (/^\/?\d{0,5}$/.test(new URL(address).pathname)) return null;
    return 'a db that is a number from 0 behind the host; a "/" in a password is written %2F';
  },
  hasKeySources: true,
  placeOf: (url) => url.replace(/^(rediss?:\/\/)(?:localhost|\[::1\])(?=:)/, "$1127.0.0.1"),
  advise: (error) => (readText(error, "name") === "ReplyError" ? redisRefusal(error) : null),
  isConflict: ({ message }) => WRONG_KEY.test(message),
  async create(address, options) {
    const { RedisBroker } = await import("./redis-broker.ts");
    return new RedisBroker(address, options);
  },
};
