/**
 * Draws the charts of the overview. What they draw comes with the page, the past at once, and anew with each look; the
 * table behind each is a part of the view.
 */
import uPlot from "uplot";
import { CHART_NAMES, type Chart } from "../view/chart.ts";
import { clock, count, rate, span } from "../view/format.ts";
import { words } from "../view/words.ts";
import { element } from "./dialog.ts";

const HEIGHT = 150;
/** A label of the time needs so much room, in pixels. */
const LABEL_PX = 96;

export class Charts {
  /** By their names. */
  readonly #drawn = new Map<string, Drawn>();
  #shown: readonly Chart[] = [];
  readonly #zone: string;

  constructor(zone: string) {
    this.#zone = zone;
    // Colours are those of the theme.
    const redraw = (): void => this.#draw(true);
    addEventListener("themechange", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  draw(charts: readonly Chart[]): void {
    this.#shown = charts;
    this.#draw(false);
  }

  #draw(isAnew: boolean): void {
    for (const name of CHART_NAMES) {
      const figure = document.querySelector<HTMLElement>(`figure[data-chart="${name}"]`);
      const chart = this.#shown.find((each) => each.name === name);
      if (figure === null || chart === undefined) continue;
      let drawn = this.#drawn.get(name);
      if (drawn?.figure !== figure) {
        drawn = new Drawn(figure, this.#zone);
        this.#drawn.set(name, drawn);
      }
      drawn.draw(chart, isAnew);
    }
  }
}

class Drawn {
  readonly figure: HTMLElement;
  readonly #zone: string;
  readonly #place = element("div", { class: "plot", "aria-hidden": "true" });
  #plot: uPlot | null = null;
  #chart: Chart | null = null;

  constructor(figure: HTMLElement, zone: string) {
    this.figure = figure;
    this.#zone = zone;
    figure.replaceChildren(this.#place);
    new ResizeObserver(() => {
      const width = this.#place.clientWidth;
      if (width > 0) this.#plot?.setSize({ width, height: HEIGHT });
    }).observe(this.#place);
  }

  draw(chart: Chart, isAnew: boolean): void {
    const isOther = String(this.#chart?.lines.map(labelOf)) !== String(chart.lines.map(labelOf));
    this.#chart = chart;
    const data = [chart.times.map((at) => at / 1_000), ...chart.lines.map(({ values }) => values)];
    if (this.#plot === null || isAnew || isOther) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(chart), data as uPlot.AlignedData, this.#place);
    } else this.#plot.setData(data as uPlot.AlignedData);
  }

  #options({ lines, isTime, to }: Chart): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const probe = element("span", {});
    this.figure.append(probe);
    const colour = (name: string): string => {
      // A pair of light and dark becomes one colour where it is used.
      probe.style.color = style.getPropertyValue(name);
      return getComputedStyle(probe).color;
    };
    const [deploy, drain] = [colour("--accent"), colour("--warn")];
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const shown = (value: number | null): string =>
      value === null ? "–" : isTime ? span(value) : Number.isInteger(value) ? count(value) : rate(value);
    const time = (at: number): string => clock(at * 1_000, this.#zone, to);
    const options: uPlot.Options = {
      width: Math.max(200, this.#place.clientWidth),
      height: HEIGHT,
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      legend: { live: true },
      scales: {
        x: { range: () => [(this.#chart?.from ?? 0) / 1_000, (this.#chart?.to ?? to) / 1_000] },
        y: { range: (_plot, _least, most) => [0, Math.max(1, (most ?? 0) * 1.1)] },
      },
      axes: [
        { ...axis, space: LABEL_PX, values: (_plot, splits) => splits.map(time) },
        { ...axis, size: 56, values: (_plot, splits) => splits.map(shown) },
      ],
      series: [
        { label: words.charts.time, value: (_plot, at: number | null) => (at === null ? "–" : time(at)) },
        ...lines.map(({ label, colour: name, dash = [] }) => ({
          ...{ label, stroke: colour(name), width: 1.6, dash: [...dash] },
          points: { show: true, size: 4, filter: alone },
          value: (_plot: uPlot, value: number | null) => shown(value),
        })),
      ],
      hooks: { draw: [(plot) => this.#drawMarks(plot, deploy, drain)] },
    };
    probe.remove();
    return options;
  }

  /** A deploy and a drain differ by their dashes, too. */
  #drawMarks(plot: uPlot, deploy: string, drain: string): void {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const { at, isDrain } of this.#chart?.marks ?? []) {
      const x = Math.round(plot.valToPos(at / 1_000, "x", true));
      ctx.strokeStyle = isDrain ? drain : deploy;
      ctx.setLineDash(isDrain ? [2, 4] : [8, 4]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}

/** Values without one before and behind them: no line leads to them. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  return [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);
}

function labelOf({ label }: { readonly label: string }): string {
  return label;
}
