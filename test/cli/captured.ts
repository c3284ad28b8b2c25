/** What a part of the program writes to the outputs of this process. */

/** Runs it and gives what it wrote; nothing of that is shown. */
export async function outputOf(run: () => Promise<void>): Promise<{ stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const original = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ["stdout", "stderr"] as const) {
    process[name].write = (text: string | Uint8Array) => {
      written[name] += String(text);
      return true;
    };
  }
  try {
    await run();
  } finally {
    for (const name of ["stdout", "stderr"] as const) process[name].write = original[name];
  }
  return written;
}
