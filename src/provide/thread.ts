/**
 * What runs first in each Worker that a handler starts: registrations count for the thread that made them. An entry of
 * its own, since a Worker cannot name a part of the program that is bundled.
 */
import { provideModules } from "./index.ts";

await provideModules();
