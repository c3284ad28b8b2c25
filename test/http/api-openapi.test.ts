/** The description of the API says what is served, and nothing else. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { writeCursor } from "../../src/broker/list-cursor.ts";
import { apiRoutes, createApi } from "../../src/http/api/api.ts";
import { ApiStage } from "../stage/api.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.end());

const parts = () => ({ broker: stage.broker, token: null, retentionMs: 0, signal: stage.root.signal });

test("every route that is served is described, and every description is served", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  assert.equal(body.openapi, "3.1.0");
  const described = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = createApi(parts(), { hostname: "127.0.0.1", address: "127.0.0.1" })
    .routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} /api/v1${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  assert.deepEqual([...new Set(served)].sort(), described.sort());
});

test("the description names every parameter and key that is taken", () => {
  for (const { method, path, params, query } of apiRoutes(parts())) {
    const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(params?.entries ?? {}), named, `${method} ${path}`);
    if (method !== "GET") assert.equal(query, undefined, `${method} ${path}`);
  }
});

test("bodies are described with their limits", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  const [one, many] = body.paths["/api/v1/tasks"].post.requestBody.content["application/json"].schema.anyOf;
  assert.deepEqual(one.required, ["type"]);
  assert.equal(one.additionalProperties, false);
  assert.deepEqual(one.properties.priority, { type: "integer", minimum: 0, maximum: 9 });
  assert.equal(many.properties.tasks.maxItems, 1_000);
  assert.deepEqual(
    body.paths["/api/v1/tasks"].get.parameters.map(({ name }: { name: string }) => name),
    ["state", "type", "queue", "foreign", "q", "limit", "cursor"],
  );
});

test("what may not be empty is described so, wherever it stands", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  const [task] = body.paths["/api/v1/tasks"].post.requestBody.content["application/json"].schema.anyOf;
  assert.deepEqual(task.properties.type, { type: "string", minLength: 1, maxLength: 128 });
  assert.deepEqual(task.properties.id, { type: "string", minLength: 1, maxLength: 256 });
  const [unique] = task.properties.unique.anyOf;
  assert.deepEqual(unique.properties.key, { type: "string", minLength: 1, maxLength: 512 });
  const [id] = body.paths["/api/v1/tasks/{id}"].get.parameters;
  assert.deepEqual(id, { name: "id", in: "path", required: true, schema: task.properties.id });
});

test("parameters are described as what their text is read as", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  const schemas: Record<string, { type?: string; pattern?: string }> = Object.fromEntries(
    body.paths["/api/v1/tasks"].get.parameters.map(({ name, schema }: { name: string; schema: object }) => [
      name,
      schema,
    ]),
  );
  assert.deepEqual(schemas.limit, { type: "integer", minimum: 1, maximum: 1_000, default: 100 });
  assert.equal(schemas.cursor?.type, "string");
  assert.match(writeCursor(0, "12"), new RegExp(schemas.cursor?.pattern ?? "^$"));
});

test("every operation has a name of its own, fit for a function", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  const names = Object.values(body.paths).flatMap((methods) =>
    Object.values(methods as Record<string, { operationId: string }>).map(({ operationId }) => operationId),
  );
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z]+[A-Z][A-Za-z]+$/);
  assert.equal(body.paths["/api/v1/tasks"].post.operationId, "enqueueTasks");
  assert.equal(body.paths["/api/v1/tasks"].get.operationId, "listTasks");
});

test("every reference of the description leads somewhere", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name,
  );
  assert.ok(references.length > 2);
  for (const name of references) assert.ok(body.components.schemas[name ?? ""], `nothing is called ${name}`);
});
