/** Prometheus' own view of a text of metrics. scripts/need-prometheus.sh installs its programs. */
import { spawnSync } from "node:child_process";

/** What `promtool check metrics` says of a text; "" where nothing is wrong. */
export function promtoolSays(text: string): string {
  const { status, stdout, stderr, error } = spawnSync("promtool", ["check", "metrics"], {
    input: text,
    encoding: "utf8",
  });
  if (error !== undefined) throw new Error(`promtool is needed (sh scripts/need-prometheus.sh): ${error.message}`);
  return `${stdout}${stderr}${status === 0 ? "" : `exit code ${status}`}`;
}

/** The series of a text, by their name with labels. */
export function seriesIn(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const space = line.lastIndexOf(" ");
    series.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return series;
}

/** The sum of all series of a name that have this in their labels. */
export function sumOf(series: ReadonlyMap<string, number>, name: string, label = ""): number {
  let sum = 0;
  for (const [key, value] of series) {
    if (key.replace(/\{.*$/, "") === name && key.includes(label)) sum += value;
  }
  return sum;
}
