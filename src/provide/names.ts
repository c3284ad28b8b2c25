/** What handler files may import by name, wherever they lie. */
export const PROVIDED = ["taskexe", "taskexe/concurrency", "taskexe/testing", "valibot"] as const;

export type ProvidedName = (typeof PROVIDED)[number];
