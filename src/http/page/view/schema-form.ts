/**
 * A form that enqueues a task, with a field for each member of its payload where the schema is a flat object; else one
 * field of JSON. Whether the payload is right, the schema itself decides when it comes in.
 */
import type { TypeAnswer } from "./api.ts";
import { h, type View } from "./h.ts";
import { type Around, PAGE_ROOT } from "./page.ts";
import { section } from "./parts.ts";
import { lines, name } from "./text.ts";
import { words } from "./words.ts";

/** How many members become fields. */
const MOST_FIELDS = 40;

type Schema = Readonly<Record<string, unknown>>;

interface Member {
  readonly key: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

export function schemaForm({ type, payload_schema: schema, queue, loaded }: TypeAnswer, { may }: Around): View {
  const members = schema === null ? null : membersIn(schema);
  const { types: said } = words;
  const body =
    members === null
      ? h("label", null, said.payload, h("textarea", { name: "json", rows: 6, spellcheck: "false" }, "{}"))
      : members.map(field);
  return section(
    `${said.enqueue} ${name(type)}`,
    { aside: h("a", { href: `${PAGE_ROOT}/types`, "aria-label": words.actions.close }, "×") },
    h(
      "form",
      { class: "body fields", "data-enqueue": type },
      schema === null && h("p", { class: "soft" }, loaded ? said.noSchema : said.elsewhere),
      body,
      h("label", null, said.queue, h("input", { name: "~queue", value: queue ?? "", placeholder: "common" })),
      h(
        "label",
        null,
        said.delay,
        h("input", { name: "~delay", type: "number", min: 0, step: "any", placeholder: "0" }),
      ),
      h("p", { class: "problem", role: "alert", hidden: true }),
      may.includes("enqueueTasks")
        ? h("button", { class: "primary scripted", type: "submit" }, said.send)
        : h("p", { class: "soft" }, words.frame.readOnly),
    ),
    schema !== null &&
      h(
        "details",
        { class: "more" },
        h("summary", null, said.schema),
        h("pre", { class: "wrap", tabindex: 0 }, lines(JSON.stringify(schema, null, 2), 20_000)),
      ),
  );
}

/** Null where it is no object whose members are plain. */
function membersIn(schema: Schema): Member[] | null {
  const { type, properties, required } = schema;
  if (type !== "object" || !isSchema(properties)) return null;
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  const members = Object.entries(properties).map(([key, each]) => ({
    key,
    schema: isSchema(each) ? each : {},
    isRequired: needed.includes(key),
  }));
  return members.length <= MOST_FIELDS ? members : null;
}

/** A field tells in `data-as` how its text becomes a value. */
function field({ key, schema, isRequired }: Member): View {
  const { description, default: fallback } = schema;
  const label = [
    h("span", null, name(key, 60), isRequired && h("span", { class: "bad", title: words.types.required }, " *")),
    typeof description === "string" && h("span", { class: "soft" }, name(description, 200)),
  ];
  return h("label", null, label, control(key, schema, isRequired, fallback));
}

function control(key: string, schema: Schema, isRequired: boolean, fallback: unknown): View {
  const common = { name: key, required: isRequired };
  const hint = fallback === undefined ? "" : (JSON.stringify(fallback) ?? "");
  const choices: unknown = schema.enum;
  if (Array.isArray(choices)) {
    const options = choices
      .slice(0, 200)
      .map((choice) => h("option", { value: JSON.stringify(choice) }, name(String(choice))));
    return h("select", { ...common, "data-as": "json" }, !isRequired && h("option", { value: "" }, "–"), options);
  }
  switch (schema.type) {
    case "string":
      return h("input", { ...common, "data-as": "text", placeholder: name(hint, 80), autocomplete: "off" });
    case "integer":
    case "number":
      return h("input", { ...common, "data-as": "json", inputmode: "decimal", placeholder: name(hint, 80) });
    case "boolean":
      return h("select", { ...common, "data-as": "json" }, [
        h("option", { value: isRequired ? "false" : "" }, isRequired ? "false" : "–"),
        isRequired ? null : h("option", { value: "false" }, "false"),
        h("option", { value: "true" }, "true"),
      ]);
    default:
      return h("textarea", {
        ...common,
        "data-as": "json",
        rows: 3,
        spellcheck: "false",
        placeholder: name(hint || "{}", 80),
      });
  }
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
