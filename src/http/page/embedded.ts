/** The page's assets inside the executable, which alone imports this file: scripts/build.ts makes them first. */
import assets from "../../../dist/page.txt" with { type: "text" };

/** As scripts/page.ts writes it. */
export const EMBEDDED_ASSETS: string = assets;
