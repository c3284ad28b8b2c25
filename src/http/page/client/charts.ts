/**
 * The charts of the overview: what has waited, run and ended since the page was opened, from the same answers that it
 * shows. Each has a table behind it. Nothing is kept but the last quarter of an hour, and it goes with the page.
 */
import uPlot from "uplot";
import { clock, rate } from "../view/format.ts";
import { words } from "../view/words.ts";
import { element } from "./dialog.ts";

/** How far back, in ms; at one look a second that many samples. */
const KEPT_MS = 15 * 60_000;
const HEIGHT = 150;
/** How many rows the table has: the last ones. */
const ROWS = 20;

/** Counters and levels at one moment. */
export type Sample = Readonly<Record<string, number>>;

interface Line {
  readonly key: string;
  readonly label: string;
  /** A custom property with the colour. */
  readonly colour: string;
  readonly dash?: number[];
  /** A counter, of which the growth a second is drawn. */
  readonly isRate?: true;
}

const { charts: said } = words;

/** Each line also differs by its dashes: colour is not all there is to tell them apart. */
const CHARTS: Readonly<Record<string, readonly Line[]>> = {
  flow: [
    { key: "done", label: said.done, colour: "--done", isRate: true },
    { key: "retried", label: said.retried, colour: "--retrying", dash: [6, 3], isRate: true },
    { key: "dead", label: said.dead, colour: "--dead", dash: [2, 3], isRate: true },
  ],
  load: [
    { key: "waiting", label: said.waiting, colour: "--queued" },
    { key: "running", label: said.running, colour: "--running", dash: [6, 3] },
  ],
};

export class Charts {
  readonly #samples: (Sample & { readonly at: number })[] = [];
  readonly #drawn: Chart[] = [];

  constructor(zone: string) {
    for (const figure of document.querySelectorAll<HTMLElement>("figure[data-chart]")) {
      const lines = CHARTS[figure.dataset.chart ?? ""];
      if (lines !== undefined) this.#drawn.push(new Chart(figure, lines, zone));
    }
    // Colours are those of the theme.
    const redraw = (): void => this.#draw(true);
    addEventListener("themechange", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  add(sample: Sample, at: number): void {
    if (this.#drawn.length === 0) return;
    this.#samples.push({ ...sample, at });
    while ((this.#samples[0]?.at ?? at) < at - KEPT_MS) this.#samples.shift();
    this.#draw(false);
  }

  #draw(isNew: boolean): void {
    for (const chart of this.#drawn) chart.draw(this.#samples, isNew);
  }
}

class Chart {
  readonly #figure: HTMLElement;
  readonly #lines: readonly Line[];
  readonly #zone: string;
  readonly #place = element("div", { class: "plot", "aria-hidden": "true" });
  readonly #table = element("table", {});
  readonly #details = element("details", { class: "behind" });
  #plot: uPlot | null = null;

  constructor(figure: HTMLElement, lines: readonly Line[], zone: string) {
    this.#figure = figure;
    this.#lines = lines;
    this.#zone = zone;
    this.#details.append(element("summary", {}, said.table), this.#table);
    figure.append(this.#place, this.#details);
    new ResizeObserver(() => {
      const width = this.#place.clientWidth;
      if (width > 0) this.#plot?.setSize({ width, height: HEIGHT });
    }).observe(this.#place);
  }

  draw(samples: readonly (Sample & { readonly at: number })[], isNew: boolean): void {
    const times = samples.map(({ at }) => at / 1_000);
    const values = this.#lines.map((line) => samples.map((sample, at) => levelOf(line, sample, samples[at - 1])));
    const data: uPlot.AlignedData = [times, ...values];
    if (this.#plot === null || isNew) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(), data, this.#place);
    } else this.#plot.setData(data);
    if (this.#details.open || isNew || this.#table.rows.length === 0) this.#fill(samples, values);
  }

  #options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const probe = element("span", {});
    this.#figure.append(probe);
    const colour = (name: string): string => {
      // A pair of light and dark becomes one colour where it is used.
      probe.style.color = style.getPropertyValue(name);
      return getComputedStyle(probe).color;
    };
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const options: uPlot.Options = {
      width: Math.max(200, this.#place.clientWidth),
      height: HEIGHT,
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      legend: { live: true },
      scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [
        { ...axis, values: (_plot, splits) => splits.map((each) => clock(each * 1_000, this.#zone, each * 1_000)) },
        { ...axis, size: 44, values: (_plot, splits) => splits.map((each) => rate(each)) },
      ],
      series: [
        {
          label: said.time,
          value: (_plot, at: number | null) => (at === null ? "–" : clock(at * 1_000, this.#zone, at * 1_000)),
        },
        ...this.#lines.map(({ label, colour: name, dash }) => ({
          ...{ label, stroke: colour(name), width: 1.6, points: { show: false } },
          ...(dash === undefined ? {} : { dash }),
          value: (_plot: uPlot, value: number | null) => (value === null ? "–" : rate(value)),
        })),
      ],
    };
    probe.remove();
    return options;
  }

  #fill(samples: readonly (Sample & { readonly at: number })[], values: readonly (readonly (number | null)[])[]): void {
    const head = element("tr", {});
    head.append(element("th", { scope: "col" }, said.time));
    head.append(...this.#lines.map(({ label }) => element("th", { scope: "col", class: "n" }, label)));
    const rows = samples.slice(-ROWS).map((sample, index) => {
      const at = Math.max(0, samples.length - ROWS) + index;
      const row = element("tr", {});
      row.append(element("th", { scope: "row" }, clock(sample.at, this.#zone, Date.now())));
      row.append(...values.map((each) => element("td", { class: "n" }, shown(each[at] ?? null))));
      return row;
    });
    this.#table.replaceChildren(head, ...rows.reverse());
  }
}

function levelOf({ key, isRate }: Line, sample: Sample, before: Sample | undefined): number | null {
  const value = sample[key] ?? 0;
  if (!isRate) return value;
  const seconds = before === undefined ? 0 : ((sample.at ?? 0) - (before.at ?? 0)) / 1_000;
  // An executor that was started anew counts from 0.
  return seconds <= 0 ? null : Math.max(0, value - (before?.[key] ?? 0)) / seconds;
}

function shown(value: number | null): string {
  return value === null ? "–" : rate(value);
}
