/** The description of the API, as a strict linter sees it: it needs no network, and no warning is let through. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { ApiStage } from "../stage/api.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.end());

async function problemsOf(document: unknown): Promise<string[]> {
  const config = await createConfig({ extends: ["recommended-strict"] });
  const found = await lintFromString({ source: JSON.stringify(document), absoluteRef: "openapi.json", config });
  return found.map(({ ruleId, message, location: [place] }) => `${ruleId} at ${place?.pointer}: ${message}`);
}

test("a strict linter finds nothing in the description, and does find what is wrong", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  assert.deepEqual(await problemsOf(body), []);
  const { servers: _, ...without } = body;
  assert.match((await problemsOf(without)).join("\n"), /servers/);
});

test("every operation says which mistakes of a client it knows", async () => {
  const { body } = await stage.app()("GET", "openapi.json");
  for (const [path, item] of Object.entries<Record<string, { responses: object }>>(body.paths)) {
    for (const [method, { responses }] of Object.entries(item)) {
      const statuses = Object.keys(responses);
      for (const status of ["400", "401", "403", "421", "429"])
        assert.ok(statuses.includes(status), `${method} ${path}: ${status}`);
      assert.equal(statuses.includes("415"), method === "post" || method === "put", `${method} ${path}`);
    }
  }
  const { paths } = body;
  assert.ok(paths["/api/v1/tasks/{id}/watch"].get.responses["429"]);
  assert.ok(paths["/api/v1/tasks/{id}/retry"].post.responses["409"]);
  assert.ok(paths["/api/v1/schedules/{name}/run"].post.responses["404"]);
});
