/**
 * What the page hands to browsers beside its HTML: one script and one style sheet, built by scripts/page.ts, with the
 * digest of their content in their names, so that a browser may keep them for ever. The executable has them embedded;
 * from source and in the npm package they stand in dist/page.txt. Where that was not built the page is there without
 * them: plain, and readable.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import * as v from "valibot";
import { runtime } from "../../runtime/index.ts";

const PackSchema = v.object({
  script: v.string(),
  style: v.string(),
  assets: v.array(v.object({ name: v.string(), type: v.string(), text: v.string(), br: v.string(), gzip: v.string() })),
});

/** The names of the two files; null where they were not built. */
export interface AssetNames {
  readonly script: string;
  readonly style: string;
}

interface Asset {
  readonly type: string;
  /** By the name of the encoding. */
  readonly bodies: Readonly<Record<"identity" | "br" | "gzip", Uint8Array<ArrayBuffer>>>;
}

interface Pack {
  readonly names: AssetNames;
  readonly assets: ReadonlyMap<string, Asset>;
}

export class Assets {
  #pack: Promise<Pack | null> | null = null;

  /** The names of what there is. They are read at the first call, and kept. */
  async names(): Promise<AssetNames | null> {
    return (await this.#read())?.names ?? null;
  }

  /** The file of that name, in the best encoding that is accepted; undefined where there is none. */
  async answer(context: Context, name: string): Promise<Response | undefined> {
    const found = (await this.#read())?.assets.get(name);
    if (found === undefined) return undefined;
    const encoding = encodingFor(context.req.header("accept-encoding") ?? "");
    return context.body(found.bodies[encoding], 200, {
      "Content-Type": found.type,
      "Cache-Control": "public, max-age=31536000, immutable",
      Vary: "Accept-Encoding",
      ...(encoding === "identity" ? {} : { "Content-Encoding": encoding }),
    });
  }

  #read(): Promise<Pack | null> {
    this.#pack ??= readPack();
    return this.#pack;
  }
}

async function readPack(): Promise<Pack | null> {
  try {
    const { script, style, assets } = v.parse(PackSchema, JSON.parse(await packText()));
    const bodies = assets.map(({ name, type, text, br, gzip }) => {
      const all = { identity: bytes(text, "utf8"), br: bytes(br, "base64"), gzip: bytes(gzip, "base64") };
      return [name, { type, bodies: all }] as const;
    });
    return { names: { script, style }, assets: new Map(bodies) };
  } catch (error) {
    getLogger(["taskexe", "http"]).warn(
      "The page has no styles and no scripts, since they were not built: run `npm run page` ({error})",
      { error },
    );
    return null;
  }
}

async function packText(): Promise<string> {
  if (runtime.compiled) return (await import("./embedded.ts")).EMBEDDED_ASSETS;
  return readFile(fileURLToPath(import.meta.resolve("../../../dist/page.txt")), "utf8");
}

function bytes(text: string, encoding: "utf8" | "base64"): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, encoding));
}

function encodingFor(accepted: string): "identity" | "br" | "gzip" {
  const names = accepted.split(",").map((each) => each.trim().toLowerCase());
  const takes = (name: string) =>
    names.some((each) => each === name || (each.startsWith(`${name};`) && !/;\s*q=0(\.0*)?$/.test(each)));
  return takes("br") ? "br" : takes("gzip") ? "gzip" : "identity";
}
