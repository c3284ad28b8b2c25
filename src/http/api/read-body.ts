/**
 * Reads the body of a request: whole, within its limit, as UTF-8. What does not come to its end is a mistake of the
 * client.
 */
import type { Context } from "hono";
import { ApiError } from "./api-error.ts";

/** Refuses a body that says of itself that it is too long. @throws ApiError. */
export function checkLength(context: Context, maxBytes: number): void {
  const length = Number(context.req.header("content-length") ?? 0);
  if (length > maxBytes) throw tooLong(maxBytes);
}

/** @throws (rejects) ApiError: it is too long, compressed, no UTF-8, or was cut off. */
export async function readBody(context: Context, maxBytes: number): Promise<string> {
  checkLength(context, maxBytes);
  checkEncoding(context);
  const bytes = await bytesOf(context, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError(400, "invalid", "body: not UTF-8");
  }
}

/** What is compressed would read as broken JSON at the best. */
function checkEncoding(context: Context): void {
  const encoding = context.req.header("content-encoding")?.trim() ?? "";
  if (encoding === "" || encoding.toLowerCase() === "identity") return;
  const got = JSON.stringify(encoding.slice(0, 100));
  throw new ApiError(415, "encoded", `the body must come as it is, without Content-Encoding, got ${got}`);
}

async function bytesOf(context: Context, maxBytes: number): Promise<Uint8Array> {
  try {
    // Where the length is known it was checked; a body that comes in chunks is counted.
    const isCounted =
      context.req.header("content-length") === undefined || context.req.header("transfer-encoding") !== undefined;
    if (isCounted) return await counted(context.req.raw.body, maxBytes);
    return new Uint8Array(await context.req.arrayBuffer());
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, "incomplete", "body: it did not come to its end");
  }
}

async function counted(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.byteLength;
    if (length > maxBytes) throw tooLong(maxBytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function tooLong(maxBytes: number): ApiError {
  return new ApiError(413, "too_long", `the body is longer than ${maxBytes} bytes`);
}
