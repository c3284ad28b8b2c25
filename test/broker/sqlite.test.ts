import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { brokerContract } from "./contract.ts";

brokerContract("sqlite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-sqlite-"));
  return {
    make: (options) => new SqliteBroker(`sqlite:${folder}/queue/tasks.db`, options),
    end: () => rm(folder, { recursive: true }),
  };
});
