/** What a tsconfig.json asks for beyond types: the executable does none of it, and says so where a handler needs it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { usesDecorators, usesParameterDecorators } from "../../src/handlers/loading/typescript-settings.ts";
import { builtOnce, ON_DENO, ON_NODE } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const LEGACY = `import { defineTask } from "taskexe";
function counted(_target: unknown, _key: string, descriptor?: PropertyDescriptor): void {
  if (descriptor) descriptor.enumerable = true;
}
class Job {
  @counted
  work(): number {
    return 1;
  }
}
export default defineTask({ type: "legacy", run: () => new Job().work() });
`;
const STANDARD = `import { defineTask } from "taskexe";
const twice = (work: () => number, { kind }: ClassMethodDecoratorContext) => () => kind + work() * 2;
class Job {
  @twice
  work(): number {
    return 1;
  }
}
export default defineTask({ type: "standard", run: () => new Job().work() });
`;
const SETTINGS = `{
  // what frameworks ask for
  "compilerOptions": { "experimentalDecorators": true, "paths": { "@lib/*": ["./lib/*"] }, },
}
`;
const PATHS = `import { x } from "@lib/x";\nimport { defineTask } from "taskexe";
export default defineTask({ type: "paths", run: () => x });
`;

describe("a handler that needs a tsconfig.json", () => {
  let stage: Stage;
  before(async () => {
    stage = Stage.make();
  });
  after(() => stage.end());

  const theExecutable = builtOnce(() => join(stage.folder, "bin/taskexe"));

  const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
    "the executable": theExecutable,
    "Node.js": async () => ON_NODE,
    Deno: async () => ON_DENO,
  };

  async function refused(program: readonly [string, ...string[]], tasks: string): Promise<string> {
    const { code, stderr } = await stage.run(["run", "--listen", "off", "--tasks", tasks], { program });
    assert.equal(code, 2, stderr);
    return stderr;
  }

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`for paths or legacy decorators is refused with that sentence: ${name}`, SLOW, async () => {
      const program = await programOf();
      const folder = await stage.write({
        "own/tsconfig.json": SETTINGS,
        "own/decorated.ts": LEGACY,
        "own/deep/imports.ts": `import "../_part.js";\nexport {};`,
        "own/_part.ts": LEGACY,
        "own/paths.ts": PATHS,
        "own/lib/_x.ts": "export const x = 1;",
        "own/alias.ts": 'import "@/x";\nexport {};\n',
        "elsewhere/injected.ts": "class A { constructor(@inject() readonly x: number) {} }\nexport {};\n",
        "own/missing.ts": 'import "not-installed";\nexport {};\n',
      });
      const told = await refused(program, folder);
      assert.match(
        told,
        /decorated\.ts: it uses decorators, and .*own\/tsconfig\.json sets experimentalDecorators: legacy/,
      );
      assert.match(told, /imports\.ts: .*own\/_part\.ts uses decorators, and /);
      assert.match(told, /paths\.ts: it imports "@lib\/x", which is not found\n.* paths and baseUrl .* are not read: /);
      assert.match(told, /alias\.ts: it imports "@\/x", which is not found\n.* paths and baseUrl /);
    });
  }

  test("of a folder above gets nothing from there, and standard decorators work", SLOW, async () => {
    const program = await theExecutable();
    await stage.write({ "above/tsconfig.json": SETTINGS, "above/lib/x.ts": "export const x = 1;" });
    const tasks = await stage.write({ "above/tasks/standard.ts": STANDARD });
    const broker = `sqlite:${join(stage.folder, "above.db")}`;
    const executor = await stage.executor({ broker, program, tasks, cwd: join(stage.folder, "above") });
    const { stdout } = await stage.run(["enqueue", "standard", "--wait", "--json", "--broker", broker], { program });
    assert.equal(JSON.parse(stdout).result, "method2", executor.output());
    await executor.end();
  });

  test("and fails for it while it is imported is told that decorators may be why", SLOW, async () => {
    const program = await theExecutable();
    const text = LEGACY.replace(
      "if (descriptor) descriptor",
      "(descriptor as PropertyDescriptor).value.x = 1; if (descriptor) descriptor",
    );
    const tasks = await stage.write({ "without/decorated.ts": text });
    assert.match(
      await refused(program, tasks),
      /it uses decorators: legacy ones \(experimentalDecorators\) are not supported/,
    );
  });

  test("is told by its text: decorators, and what only looks like them", () => {
    const decorated = [
      "@a class B {}",
      "class A {\n  @log() m() {} }",
      "class A { constructor(@inject x) {} }",
      "x; @(y) class Z {}",
    ];
    for (const text of decorated) assert.ok(usesDecorators(text), text);
    const ofParameters = ["f(@a b)", "f(x, @a.b() y: T)", "f(\n  @a({ b: 1 }) private readonly c)", "f(@a {b}: C)"];
    for (const text of ofParameters) assert.ok(usesParameterDecorators(text), text);
    for (const text of ["f(@a class {})", "f(@a() @b class B {})", "[, '@a b']", "class A { @a b(c) {} }", "f(a@b)"]) {
      assert.ok(!usesParameterDecorators(text), text);
    }
    const plain = [
      "// @ts-check",
      "/** @param x */",
      '"a @b"',
      "`\n@media`",
      "'it\\'s @x'",
      "const a = b; // a @c",
      "a@b",
    ];
    for (const text of plain) assert.ok(!usesDecorators(text), text);
  });
});
