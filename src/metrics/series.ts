/**
 * Counts and their text: series of numbers in typed arrays, which cost an addition to count and are written out only
 * when somebody asks, in the text format of Prometheus. Nothing here knows what is counted. Each line of the text takes
 * a place of a bounded number (`Places`); a family whose places are taken gives -1, and its user counts elsewhere.
 */

/** How many lines may still be made. */
export class Places {
  #left: number;

  constructor(count: number) {
    this.#left = count;
  }

  get left(): number {
    return this.#left;
  }

  /** Takes so many; false, and none is taken, where there are not so many. */
  take(count: number): boolean {
    if (count > this.#left) return false;
    this.#left -= count;
    return true;
  }

  /** Sets so many aside. @throws RangeError where there are not so many. */
  split(count: number): Places {
    if (!this.take(count)) throw new RangeError(`${count} series do not fit into the ${this.#left} that are left`);
    return new Places(count);
  }
}

/** What stands over the series of one name. */
export interface FamilyHead {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** How many series a family begins with room for. */
const FIRST_ROOM = 16;

/** Counters of one name. */
export class Counters {
  readonly #head: FamilyHead;
  readonly #places: Places;
  readonly #starts: string[] = [];
  #values = new Float64Array(FIRST_ROOM);

  constructor(head: FamilyHead, places: Places) {
    this.#head = head;
    this.#places = places;
  }

  /** Begins a series at 0; gives its number, or -1 where no place is left. @param values - of the labels, in order. */
  begin(values: readonly string[] = []): number {
    if (!this.#places.take(1)) return -1;
    this.#starts.push(`${this.#head.name}${labelled(this.#head.labels, values)} `);
    this.#values = withRoom(this.#values, this.#starts.length);
    return this.#starts.length - 1;
  }

  add(series: number, by = 1): void {
    this.#values[series] = (this.#values[series] ?? 0) + by;
  }

  value(series: number): number {
    return this.#values[series] ?? 0;
  }

  write(lines: string[]): void {
    lines.push(...headLines(this.#head, "counter"));
    for (const [series, start] of this.#starts.entries()) lines.push(start + numberText(this.value(series)));
  }
}

/** Histograms of one name. */
export class Histograms {
  readonly #head: FamilyHead;
  readonly #places: Places;
  readonly #bounds: readonly number[];
  /** The text before each number of a series: its buckets, its sum, its count. */
  readonly #starts: (readonly string[])[] = [];
  /** Of each series: how many fell into each bucket alone, those above all bounds, and the sum. */
  #values = new Float64Array(FIRST_ROOM);

  /** @param bounds - the upper bounds of its buckets, rising. */
  constructor(head: FamilyHead, bounds: readonly number[], places: Places) {
    this.#head = head;
    this.#bounds = bounds;
    this.#places = places;
  }

  /** How many places one series takes. */
  get size(): number {
    return this.#bounds.length + 3;
  }

  /** As `Counters.begin`. */
  begin(values: readonly string[] = []): number {
    if (!this.#places.take(this.size)) return -1;
    const { name, labels = [] } = this.#head;
    const bounds = [...this.#bounds, Number.POSITIVE_INFINITY].map(
      (bound) => `${name}_bucket${labelled([...labels, "le"], [...values, numberText(bound)])} `,
    );
    const own = labelled(labels, values);
    this.#starts.push([...bounds, `${name}_sum${own} `, `${name}_count${own} `]);
    this.#values = withRoom(this.#values, this.#starts.length * this.#width);
    return this.#starts.length - 1;
  }

  /** @param count - how many times it was seen. */
  observe(series: number, value: number, count = 1): void {
    const at = series * this.#width;
    const bucket = at + this.bucketOf(value);
    const sum = at + this.#width - 1;
    this.#values[bucket] = (this.#values[bucket] ?? 0) + count;
    this.#values[sum] = (this.#values[sum] ?? 0) + value * count;
  }

  /** The number of the bucket that a value falls into. */
  bucketOf(value: number): number {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
    return bucket;
  }

  /** How many fell into each bucket alone; the last: above all bounds. */
  buckets(series: number): Float64Array {
    const at = series * this.#width;
    return this.#values.slice(at, at + this.#width - 1);
  }

  write(lines: string[]): void {
    lines.push(...headLines(this.#head, "histogram"));
    for (const [series, starts] of this.#starts.entries()) {
      const at = series * this.#width;
      let count = 0;
      for (let bucket = 0; bucket < this.#width - 1; bucket++) {
        count += this.#values[at + bucket] ?? 0;
        lines.push(`${starts[bucket]}${numberText(count)}`);
      }
      lines.push(`${starts[this.#width - 1]}${numberText(this.#values[at + this.#width - 1] ?? 0)}`);
      lines.push(`${starts[this.#width]}${numberText(count)}`);
    }
  }

  get #width(): number {
    return this.#bounds.length + 2;
  }
}

/** One value of a gauge, and those of its labels. */
export interface GaugeValue {
  readonly values?: readonly string[];
  readonly value: number;
}

/** A gauge as it is just now; a counter that is counted elsewhere, too. Without a value it is left out. */
export function writeNow(
  lines: string[],
  head: FamilyHead,
  values: readonly GaugeValue[],
  kind: "gauge" | "counter" = "gauge",
): void {
  if (values.length === 0) return;
  lines.push(...headLines(head, kind));
  for (const { values: of = [], value } of values) {
    lines.push(`${head.name}${labelled(head.labels, of)} ${numberText(value)}`);
  }
}

/** The type of the text, as Prometheus asks for it. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

function headLines({ name, help }: FamilyHead, kind: string): [string, string] {
  return [`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${kind}`];
}

function labelled(names: readonly string[] | undefined, values: readonly string[]): string {
  if (names === undefined || names.length === 0) return "";
  return `{${names.map((name, index) => `${name}="${escaped(values[index] ?? "")}"`).join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "+Inf" : value < 0 ? "-Inf" : "NaN";
}

/** The same numbers in an array that has room for so many. */
function withRoom(values: Float64Array, count: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(count, values.length * (count > values.length ? 2 : 1)));
  larger.set(values);
  return larger;
}
