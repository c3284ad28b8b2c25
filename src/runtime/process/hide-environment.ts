/**
 * Takes the values of variables out of /proc/PID/environ, which the same user, root, and crash reporters read for as
 * long as a process lives. That file shows the memory in which the kernel handed the environment over, whatever the
 * process does with its own copy: so it is overwritten there. This process goes on seeing the values in process.env.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** Where the kernel put the environment: the 50th field of /proc/self/stat. */
const ENV_START_FIELD = 50;

/**
 * Hides what the variables hold; does nothing for one that is not set.
 *
 * @returns whether it could be done: not where there is no /proc, or it is closed to the process itself.
 */
export function hideEnvironment(names: readonly string[]): boolean {
  const set = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined || value === "" ? [] : [{ name, value }];
  });
  if (set.length === 0) return true;
  try {
    for (const { name } of set) overwrite(name);
  } catch {
    return false;
  }
  // What the runtime has of them may be that memory itself.
  for (const { name, value } of set) process.env[name] = value;
  return true;
}

function overwrite(name: string): void {
  const environment = readFileSync("/proc/self/environ");
  const head = Buffer.from(`${name}=`);
  const memory = openSync("/proc/self/mem", "r+");
  try {
    for (let at = 0; at < environment.length; ) {
      const end = environment.indexOf(0, at);
      const last = end < 0 ? environment.length : end;
      if (environment.subarray(at, at + head.length).equals(head)) {
        const length = last - at - head.length;
        writeSync(memory, Buffer.alloc(length, "*"), 0, length, environmentStart() + at + head.length);
      }
      at = last + 1;
    }
  } finally {
    closeSync(memory);
  }
}

function environmentStart(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  // The second field is the name of the program, which may hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[ENV_START_FIELD - 3]);
}
