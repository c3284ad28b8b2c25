/** What a part of the program writes to the outputs of this process. */
import { standardError, standardOutput } from "../../src/cli/output/outlets.ts";

/** Runs it and gives what it wrote; nothing of that is shown. */
export async function outputOf(run: () => Promise<void>): Promise<{ stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const outlets = { stdout: standardOutput, stderr: standardError };
  for (const name of ["stdout", "stderr"] as const) {
    outlets[name].write = (text: string) => {
      written[name] += text;
    };
  }
  try {
    await run();
  } finally {
    // What the class itself does is there again.
    for (const outlet of Object.values(outlets)) Reflect.deleteProperty(outlet, "write");
  }
  return written;
}
