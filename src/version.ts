/** The version of this program: package.json's, which a build embeds. Imports nothing else, so it is there at once. */
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
