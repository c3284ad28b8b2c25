/** The types of the valibot that handlers get from us, as the inside of a `declare module`. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runtime } from "../runtime/index.ts";

export async function valibotTypes(): Promise<string> {
  // In an ambient module everything is declared already.
  return (await declarations()).replace(/^(export )?declare /gm, "$1").trimEnd();
}

async function declarations(): Promise<string> {
  if (runtime.compiled) return (await import("./embedded.ts")).VALIBOT_TYPES;
  const types = new URL("./index.d.mts", import.meta.resolve("valibot"));
  return readFile(fileURLToPath(types), "utf8");
}
