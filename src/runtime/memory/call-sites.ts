/**
 * What grew on V8 (Node and Deno): the sampling heap profiler, which tells the call sites whose memory is still in use.
 * It looks at one allocation in each 32 KiB or so: cheap enough for production, and blind to what is small.
 */

import type { HeapProfiler, Session } from "node:inspector";
import type { Growth } from "./allocations.ts";

const SAMPLING_INTERVAL_BYTES = 32 * 1024;

/** Starts the sampling; resolves to what stops it and gives one row a call site, in bytes. */
export async function observeCallSites(): Promise<() => Promise<Growth[]>> {
  const inspector = process.getBuiltinModule("node:inspector");
  const session = new inspector.Session();
  session.connect();
  try {
    await startSampling(session);
  } catch (error) {
    session.disconnect();
    throw error;
  }
  return async () => {
    try {
      return callSites(await stopSampling(session));
    } finally {
      session.disconnect();
    }
  };
}

function startSampling(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.post("HeapProfiler.startSampling", { samplingInterval: SAMPLING_INTERVAL_BYTES }, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function stopSampling(session: Session): Promise<HeapProfiler.SamplingHeapProfile> {
  return new Promise((resolve, reject) => {
    session.post("HeapProfiler.stopSampling", (error, result) => {
      if (error) reject(error);
      else resolve(result.profile);
    });
  });
}

/** The tree of calls, summed up over all the ways that lead to the same place. */
function callSites({ head }: HeapProfiler.SamplingHeapProfile): Growth[] {
  const bytesOf = new Map<string, number>();
  const open = [head];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    open.push(...node.children);
    if (node.selfSize === 0) continue;
    const label = labelOf(node.callFrame);
    bytesOf.set(label, (bytesOf.get(label) ?? 0) + node.selfSize);
  }
  return Array.from(bytesOf, ([label, bytes]) => ({ label, bytes }));
}

function labelOf({ functionName, url, lineNumber }: HeapProfiler.SamplingHeapProfileNode["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  // Lines count from 0 in the protocol, from 1 for people.
  return url === "" ? name : `${name} ${url.replace(/^file:\/\//, "")}:${lineNumber + 1}`;
}
