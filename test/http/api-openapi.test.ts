/** The description of the API says what is served, and nothing else. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { apiRoutes, createApi } from "../../src/http/api/api.ts";
import { ApiStage } from "./api-stage.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.close());

const parts = () => ({ broker: stage.broker, token: null, retentionMs: 0, signal: stage.root.signal });

test("every route that is served is described, and every description is served", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  assert.equal(body.openapi, "3.1.0");
  const described = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = createApi(parts(), "127.0.0.1")
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
    ["state", "type", "queue", "limit", "cursor"],
  );
});

test("every reference of the description leads somewhere", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name,
  );
  assert.ok(references.length > 2);
  for (const name of references) assert.ok(body.components.schemas[name ?? ""], `nothing is called ${name}`);
});
