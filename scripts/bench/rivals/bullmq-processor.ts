/** A sandboxed processor of BullMQ that does nothing: it loads this file in each of its processes. */
export default async function processor(): Promise<void> {}
