/**
 * What a runner tells of the types that its files define: the options, where they run, and what their payloads must be
 * as JSON Schema where the schema can say that.
 */
import type { TaskDefinition } from "../handlers/define-task.ts";
import { jsonSchemaOf } from "../handlers/payload-json-schema.ts";
import type { HandlerRegistry } from "../handlers/registry.ts";
import { typeOfOptions } from "../runner-protocol/manifest-of-type.ts";
import type { TypeManifest } from "../runner-protocol/messages.ts";

/** Those of files: the executor has the built-in ones itself. */
export async function manifestsOf(registry: HandlerRegistry): Promise<TypeManifest[]> {
  const manifests: TypeManifest[] = [];
  for (const type of registry.types()) {
    const [handler, definition] = [registry.get(type), registry.definition(type)];
    if (handler === undefined || definition === undefined || registry.isBuiltin(type)) continue;
    const file = registry.sourceOf(type);
    manifests.push({ ...typeOfOptions(type, handler.options), file, ...(await payloadSchemaOf(definition)) });
  }
  return manifests;
}

async function payloadSchemaOf({
  payload,
}: TaskDefinition): Promise<Pick<TypeManifest, "payload_schema" | "checks_payload">> {
  if (payload === undefined) return { checks_payload: false };
  const schema = await jsonSchemaOf(payload);
  return schema === null ? {} : { payload_schema: schema };
}
