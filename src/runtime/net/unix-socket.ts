/**
 * Listening on a Unix socket: only its owner may connect, a file that a dead process left is replaced, one of a living
 * process and what is no socket are refused. The socket gets its name only when it has its mode, so nobody can connect
 * before that.
 */
import { chmodSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { connect } from "node:net";

/** Owner alone. */
const MODE = 0o600;

/** What the kernel takes for the path of a socket, in bytes; the name before it is final is a little longer. */
const LONGEST_PATH = 107;

export interface SocketPlace {
  readonly path: string;
  /** Where to listen first. */
  readonly temporary: string;
  /** Gives the socket its mode and its name; call it once it listens. */
  publish(): void;
  /** Removes it, unless another has taken its place. */
  remove(): void;
}

/**
 * Looks whether a socket may be made there.
 *
 * @throws Error that says what is there and what to do.
 */
export async function socketPlace(path: string): Promise<SocketPlace> {
  const temporary = `${path}.${process.pid}`;
  if (Buffer.byteLength(temporary) > LONGEST_PATH) {
    const most = LONGEST_PATH - (temporary.length - path.length);
    throw cannotListen(path, `the path is too long for a socket: at most ${most} bytes`);
  }
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket())
    throw cannotListen(path, "there is a file that is no socket; choose another path");
  if (there !== undefined && (await answers(path))) {
    throw cannotListen(path, "another process listens there. Stop it, or choose another path");
  }
  unlinkIfThere(temporary);
  let inode: number | null = null;
  return {
    path,
    temporary,
    publish() {
      chmodSync(temporary, MODE);
      inode = lstatSync(temporary).ino;
      renameSync(temporary, path);
    },
    remove() {
      if (inode !== null && lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkIfThere(path);
      unlinkIfThere(temporary);
    },
  };
}

/** The error of a listen that failed. */
export function cannotListen(path: string, reason: string, cause?: unknown): Error {
  return new Error(`Cannot listen on unix:${path}: ${reason}`, { cause });
}

/** Whether a process listens; a file that a dead one left refuses. Where it cannot be told, one does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) => resolve(!("code" in error && /^(ECONNREFUSED|ENOENT)$/.test(String(error.code)))));
  });
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}
