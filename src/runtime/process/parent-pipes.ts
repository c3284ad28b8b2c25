/**
 * The two descriptors that a child process has from its parent, beside standard input and output: one to read, one to
 * write. Each runtime has one way that neither blocks nor holds a thread: Bun its own streams of descriptors (a
 * net.Socket on one ends at once there), Node.js and Deno sockets (Deno's node:fs knows no inherited descriptor, and
 * Node's file streams leave a thread blocked). On Bun and Node.js a write has reached the kernel when it returns, or as
 * much of it as goes in.
 */
import { readlinkSync } from "node:fs";

export interface ParentPipes {
  /** Calls back with what comes, in order, and once with the end of it. */
  read(onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void;
  /**
   * Writes behind what was written before.
   *
   * @returns null once the kernel has all of it; else a promise of that. It never rejects: `failed` is told.
   */
  write(text: string): Promise<void> | null;
}

/** Whether these are pipes or sockets that somebody has given us: what a runtime opens for itself is neither. */
export function arePipes(descriptors: readonly number[]): boolean {
  try {
    return descriptors.every((fd) => /^(socket|pipe):/.test(readlinkSync(`/proc/self/fd/${fd}`)));
  } catch {
    return false;
  }
}

/**
 * Takes the descriptors over: nobody else may use them from now on.
 *
 * @param failed - told when one of them cannot be used any more, as where nobody reads what is written.
 */
export async function openParentPipes(
  readFrom: number,
  writeTo: number,
  failed: (error: unknown) => void,
): Promise<ParentPipes> {
  return "Bun" in globalThis ? onBun(readFrom, writeTo, failed) : onSockets(readFrom, writeTo, failed);
}

function onBun(readFrom: number, writeTo: number, failed: (error: unknown) => void): ParentPipes {
  const writer = Bun.file(writeTo).writer();
  return {
    read(onBytes, onEnd) {
      const reader = Bun.file(readFrom).stream().getReader();
      const toTheEnd = async (): Promise<void> => {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return onEnd();
          onBytes(value);
        }
      };
      toTheEnd().catch(failed);
    },
    write(text) {
      try {
        const taken = writer.write(text);
        const flushed = writer.flush();
        if (typeof taken === "number" && typeof flushed === "number") return null;
        return Promise.all([taken, flushed]).then(() => {}, failed);
      } catch (error) {
        failed(error);
        return null;
      }
    },
  };
}

async function onSockets(readFrom: number, writeTo: number, failed: (error: unknown) => void): Promise<ParentPipes> {
  const { Socket } = await import("node:net");
  const input = new Socket({ fd: readFrom, readable: true, writable: false }).on("error", failed);
  const output = new Socket({ fd: writeTo, readable: false, writable: true }).on("error", failed);
  return {
    read(onBytes, onEnd) {
      input.on("data", onBytes).on("end", onEnd);
    },
    write(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      output.write(text, () => resolve());
      // Deno hands it to the kernel later.
      return output.writableLength === 0 ? null : promise;
    },
  };
}
