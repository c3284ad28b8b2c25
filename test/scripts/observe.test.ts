/** What is shipped for Prometheus and Grafana: rules that alert where they must, queries that Prometheus takes. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const OBSERVE = join(ROOT, "scripts/observe");
const PATIENCE_MS = 60_000;

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

test("each alert comes where it must, and none in a quiet fleet", SLOW, () => {
  for (const args of [
    ["check", "rules", "taskexe.rules.yml"],
    ["test", "rules", "taskexe.rules.test.yml"],
  ]) {
    const { status, stdout, stderr, error } = spawnSync("promtool", args, { cwd: OBSERVE, encoding: "utf8" });
    assert.equal(error, undefined, "sh scripts/need-prometheus.sh installs promtool");
    assert.equal(status, 0, `${stdout}${stderr}`);
  }
  const rules = readFileSync(join(OBSERVE, "taskexe.rules.yml"), "utf8");
  const tests = readFileSync(join(OBSERVE, "taskexe.rules.test.yml"), "utf8");
  for (const [, alert] of rules.matchAll(/alert: (\w+)/g)) {
    assert.equal(tests.split(`${alert}`).length - 1, 2, `${alert} is tested in both fleets`);
  }
});

test("rules and dashboard ask for metrics that there are, as docs/metrics.md names them", () => {
  const documented = new Set(
    [...readFileSync(join(ROOT, "docs/metrics.md"), "utf8").matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name),
  );
  const asked = `${readFileSync(join(OBSERVE, "taskexe.rules.yml"), "utf8")}${queries().join("\n")}`;
  const names = new Set(
    [...asked.matchAll(/\b(?:taskexe|process)_\w+/g)].map(([name]) => name.replace(/_bucket$/, "")),
  );
  assert.ok(names.size > 20);
  assert.deepEqual(
    [...names].filter((name) => !documented.has(name)),
    [],
  );
});

test("a Prometheus that scrapes an executor takes every query of the dashboard", SLOW, () =>
  Stage.with(async (stage) => {
    const executor = await stage.executor();
    const port = await freePort();
    const target = `targets: ["127.0.0.1:${executor.port}"]`;
    const job = (name: string, path: string) =>
      `  - {job_name: ${name}, metrics_path: ${path}, scrape_interval: 1s, static_configs: [{${target}}]}`;
    await stage.write({
      "prometheus.yml": `scrape_configs:\n${job("taskexe", "/metrics")}\n${job("taskexe-broker", "/metrics/broker")}\n`,
    });
    const prometheus = spawn(
      "prometheus",
      [
        `--config.file=${stage.path("prometheus.yml")}`,
        `--storage.tsdb.path=${stage.path("tsdb")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: "ignore" },
    );
    stage.atEnd(() => ended(prometheus));
    const ask = async (query: string): Promise<{ status: string; error?: string; data?: { result: unknown[] } }> => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query })}`);
      return answer.json();
    };
    await until("it has scraped both", PATIENCE_MS, async () => {
      try {
        return (await ask('sum(up{job=~"taskexe.*"}) == 2')).data?.result.length === 1;
      } catch {
        return false;
      }
    });
    for (const query of queries()) {
      const said = await ask(query.replaceAll("$job", "taskexe.*").replaceAll("$__rate_interval", "1m"));
      assert.equal(said.status, "success", `${query}: ${said.error}`);
    }
    for (const query of ['taskexe_slots{job="taskexe"}', 'max by (queue) (taskexe_queue_tasks{state="queued"})']) {
      assert.ok(((await ask(query)).data?.result.length ?? 0) > 0, `${query} finds something`);
    }
  }),
);

function queries(): string[] {
  const { panels }: { panels: Panel[] } = JSON.parse(readFileSync(join(OBSERVE, "grafana-dashboard.json"), "utf8"));
  assert.ok(panels.length >= 12);
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
