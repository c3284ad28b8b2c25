/** What a chart draws: lines over the same moments. Server and browser share the form; the browser draws it. */

/** Each line also differs by its dashes: colour is not all there is to tell them apart. */
export interface Line {
  readonly label: string;
  /** A custom property with the colour. */
  readonly colour: string;
  readonly dash?: readonly number[];
  /** null: nothing is known of that moment. */
  readonly values: readonly (number | null)[];
}

/** A moment that explains a change. Unix ms. */
export interface ChartMark {
  readonly at: number;
  readonly isDrain: boolean;
}

export const CHART_NAMES = ["flow", "run", "wait", "waiting"] as const;
export type ChartName = (typeof CHART_NAMES)[number];

export interface Chart {
  readonly name: ChartName;
  /** Its values are ms. */
  readonly isTime: boolean;
  /** What its width stands for, Unix ms. */
  readonly from: number;
  readonly to: number;
  /** Unix ms. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly marks: readonly ChartMark[];
}
