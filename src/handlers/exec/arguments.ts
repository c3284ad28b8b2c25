/**
 * The arguments of a command: as its table has them, with `{name}` for the payload's field of that name. A value is one
 * argument or a part of one, whatever is in it: no shell reads it. What a program could take for an option is refused.
 */

/** One argument in parts: text, or a field of the payload. */
type Part = { readonly text: string } | { readonly field: string };
type Template = readonly Part[];

/** `{name}`; `{{name}}` is the text `{name}`, as for awk. */
const FIELD = /\{\{([A-Za-z_][\w-]*)\}\}|\{([A-Za-z_][\w-]*)\}/g;

/** What the kernel takes for one argument, in bytes, its end included. */
const MOST_BYTES = 128 * 1024;

export type Arguments = { readonly args: readonly string[] } | { readonly refused: string };

/** Reads them once, and fills them in for each payload. */
export class ArgumentTemplates {
  readonly #templates: readonly Template[];
  /** How many of them stand before the first `--`. */
  readonly #beforeDashes: number;

  constructor(args: readonly string[]) {
    this.#templates = args.map(templateOf);
    const dashes = args.indexOf("--");
    this.#beforeDashes = dashes < 0 ? args.length : dashes;
  }

  /** Whether any of them is made of the payload. */
  get haveFields(): boolean {
    return this.#templates.some((template) => template.some((part) => "field" in part));
  }

  /** The arguments, or why they cannot be made of this payload. */
  fill(payload: unknown): Arguments {
    const args: string[] = [];
    for (const [at, template] of this.#templates.entries()) {
      const texts: string[] = [];
      for (const part of template) {
        const filled = "text" in part ? part : fieldValue(payload, part.field);
        if ("refused" in filled) return filled;
        texts.push(filled.text);
      }
      const text = texts.join("");
      const problem = problemOf(text, template, at < this.#beforeDashes);
      if (problem !== null) return { refused: `{${fieldOf(template)}} in the command: ${problem}` };
      args.push(text);
    }
    return { args };
  }
}

function templateOf(argument: string): Template {
  const parts: Part[] = [];
  let from = 0;
  for (const { index, 0: whole, 1: literal, 2: field } of argument.matchAll(FIELD)) {
    parts.push({ text: argument.slice(from, index) });
    parts.push(field === undefined ? { text: `{${literal}}` } : { field });
    from = index + whole.length;
  }
  parts.push({ text: argument.slice(from) });
  return parts.filter((part) => !("text" in part) || part.text !== "");
}

function fieldValue(payload: unknown, field: string): { readonly text: string } | { readonly refused: string } {
  const refused = (why: string) => ({ refused: `{${field}} in the command: ${why}` });
  if (typeof payload !== "object" || payload === null || Array.isArray(payload) || !Object.hasOwn(payload, field)) {
    return refused(`the payload has no field ${JSON.stringify(field)}`);
  }
  const value: unknown = Reflect.get(payload, field);
  if (typeof value === "string") {
    return value.includes("\0") ? refused("a NUL cannot be part of an argument") : { text: value };
  }
  if (typeof value !== "number") return refused(`expected text or a number, got ${kindOf(value)}`);
  // Its digits may have been others: the payload's text has them, the number does not.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return refused("the number is too large to be exact; give it as text");
  }
  return { text: String(value) };
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function problemOf(text: string, template: Template, mayBeOption: boolean): string | null {
  const [first] = template;
  if (!template.some((part) => "field" in part)) return null;
  if (mayBeOption && text.startsWith("-") && first !== undefined && "field" in first) {
    return 'its value begins with "-", and would be an option; put "--" before it, or text into the same argument';
  }
  const bytes = Buffer.byteLength(text) + 1;
  return bytes > MOST_BYTES
    ? `it is ${bytes} bytes long, where ${MOST_BYTES} can be; read it from standard input`
    : null;
}

/** For messages: the first one. */
function fieldOf(template: Template): string {
  return template.flatMap((part) => ("field" in part ? [part.field] : []))[0] ?? "";
}
