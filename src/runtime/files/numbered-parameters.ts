/**
 * SQLite's numbered parameters on Node 22.13 to 22.19 and 24.0 to 24.6: these know `?1` by its name alone, and refuse
 * values in their order ("column index out of range"). Where a runtime does so, values are handed over by name.
 */
import type { SqlDatabase, SqlStatement, SqlValue } from "../runtime.ts";

/** What of a statement of node:sqlite is used here. */
type Native = {
  readonly [method in "run" | "get" | "all"]: (...values: (SqlValue | Record<string, SqlValue>)[]) => unknown;
};

/** Whether values in their order reach `?1`. */
export function bindsNumbered(database: SqlDatabase): boolean {
  try {
    return database.prepare("SELECT ?1 AS bound").get(1)?.bound === 1;
  } catch {
    return false;
  }
}

/** The same database, in which they do. A statement must not have both `?1` and `?`. */
export function bindingByName(database: SqlDatabase): SqlDatabase {
  return {
    exec: (sql) => database.exec(sql),
    prepare(sql) {
      const statement = database.prepare(sql);
      return /\?\d/.test(sql) ? named(statement as Native) : statement;
    },
    close: () => database.close(),
  };
}

function named(statement: Native): SqlStatement {
  const byName = (values: readonly SqlValue[]) =>
    Object.fromEntries(values.map((value, index) => [`?${index + 1}`, value]));
  return {
    run: (...values) => statement.run(byName(values)) as ReturnType<SqlStatement["run"]>,
    get: (...values) => statement.get(byName(values)) as ReturnType<SqlStatement["get"]>,
    all: (...values) => statement.all(byName(values)) as ReturnType<SqlStatement["all"]>,
  };
}
