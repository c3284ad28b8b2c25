/** The sandboxed processor of the hostile benchmark; a job's name says whether it is good. */
import type { SandboxedJob } from "bullmq";
import { doBadly, doWell } from "../hostile-deeds.ts";

export default async function processor(job: SandboxedJob): Promise<void> {
  if (job.name === "good") await doWell();
  else await doBadly(job.data);
}
