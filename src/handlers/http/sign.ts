/**
 * Signatures of requests, as Standard Webhooks has them (https://www.standardwebhooks.com): HMAC-SHA256 over
 * `ID.TIMESTAMP.BODY` with the shared secret, in base64 behind `v1,`. Of several secrets, as while one takes the place
 * of another, each gives its signature, with a blank between them.
 */
import { createHmac } from "node:crypto";

/** The headers that sign a request. Without a key there is the id and the time, and no signature. */
export function signatureHeaders(
  id: string,
  atMs: number,
  body: Uint8Array,
  keys: readonly Uint8Array[],
): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1_000));
  const headers = { "Webhook-Id": id, "Webhook-Timestamp": timestamp };
  if (keys.length === 0) return headers;
  const signatures = keys.map((key) => {
    const digest = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
    return `v1,${digest}`;
  });
  return { ...headers, "Webhook-Signature": signatures.join(" ") };
}
