import * as z from "zod";
import type { $ZodType } from "zod/v4/core";
import { ExitCode, GrpoError } from "../errors.js";
import { suggestKey } from "./nearest.js";
import { configSchema } from "./schema.js";
import { branches, fieldsOf, layersOf, schemasAt } from "./walk.js";

/** The JSON Schema of a configuration file, for editors. */
export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, {
    io: "input",
    override: ({ jsonSchema: node }) => {
      delete node.path;
    },
  }) as Record<string, unknown>;
  return { $schema, title: "grpo configuration", ...rest };
}

/**
 * What a key is: type, default, reason, and the keys below it.
 * @param key dotted, as in `rollout.group_size`; items of a list are named by number or left out
 * @throws GrpoError GRPO_KEY (usage) with the nearest key when there is none of that name
 */
export function explainKey(key: string): string {
  const path = throughLists(key.split(/\.|\[\]/).filter((part) => part !== ""));
  const found = schemasAt(configSchema, path);
  if (path.length === 0 || found.length === 0) {
    const depth = path.findIndex((_, i) => schemasAt(configSchema, path.slice(0, i + 1)).length === 0);
    const hint =
      path.length === 0 ? "name a key" : suggestKey(configSchema, path.slice(0, depth), path[depth]!, undefined);
    throw new GrpoError("GRPO_KEY", `no configuration key is called "${key}"`, { exitCode: ExitCode.usage, fix: hint });
  }
  return found.map((schema) => explain(path.join("."), schema)).join("\n\n");
}

/** A path with the number 0 wherever it passes a list without naming an item. */
function throughLists(parts: readonly string[]): string[] {
  const path: string[] = [];
  for (const part of parts) {
    const leads = (next: string[]) => schemasAt(configSchema, [...path, ...next]).length > 0;
    path.push(...(!leads([part]) && leads(["0", part]) ? ["0", part] : [part]));
  }
  return path;
}

function explain(key: string, schema: $ZodType): string {
  const description = descriptionOf(schema);
  const lines = [`${key}: ${typeOf(schema)}`];
  const fallback = layersOf(schema).find((s) => s._zod.def.type === "default")?._zod.def as
    | { defaultValue?: unknown }
    | undefined;
  if (fallback !== undefined) lines.push(`  default: ${JSON.stringify(fallback.defaultValue)}`);
  if (description !== undefined) lines.push(`  ${description}`);
  const members = itemBranches(schema).filter((branch) => fieldsOf(branch).size > 0);
  for (const branch of members) {
    const tag = ["kind", "rope_type"].find((name) => fieldsOf(branch).has(name));
    if (tag !== undefined)
      lines.push("", `  ${tag}: ${typeOf(fieldsOf(branch).get(tag)!)}  ${descriptionOf(branch) ?? ""}`.trimEnd());
    for (const [name, field] of fieldsOf(branch)) {
      if (name !== tag) lines.push(`    ${name}: ${typeOf(field)}  ${descriptionOf(field) ?? ""}`.trimEnd());
    }
  }
  return lines.join("\n");
}

/** The alternatives of a schema; of a list or record, those of its items. */
function itemBranches(schema: $ZodType): $ZodType[] {
  return branches(schema).flatMap((branch) => {
    const def = branch._zod.def as { type: string; element?: $ZodType; valueType?: $ZodType };
    const item = def.element ?? def.valueType;
    return item === undefined ? [branch] : branches(item);
  });
}

function descriptionOf(schema: $ZodType): string | undefined {
  return layersOf(schema)
    .map((s) => z.globalRegistry.get(s)?.description)
    .find((text) => text !== undefined);
}

/** The type of a value in a few words: `number`, `"fp32" | "bf16"`, `list of text`. */
function typeOf(schema: $ZodType): string {
  const names = branches(schema).map((branch) => {
    const def = branch._zod.def as {
      type: string;
      entries?: object;
      values?: unknown[];
      element?: $ZodType;
      format?: string;
    };
    switch (def.type) {
      case "string":
        return "text";
      case "number":
        return isInteger(branch) ? "whole number" : "number";
      case "boolean":
        return "true | false";
      case "enum":
        return Object.values(def.entries ?? {})
          .map((v) => JSON.stringify(v))
          .join(" | ");
      case "literal":
        return (def.values ?? []).map((v) => JSON.stringify(v)).join(" | ");
      case "array":
        return `list of ${typeOf(def.element!)}`;
      case "object":
      case "record":
        return "mapping";
      default:
        return def.type;
    }
  });
  const nullable = layersOf(schema).some((s) => s._zod.def.type === "nullable") ? ["null"] : [];
  return [...new Set([...names, ...nullable])].join(" | ");
}

function isInteger(schema: $ZodType): boolean {
  const def = schema._zod.def as { format?: string; checks?: { _zod: { def: { format?: string } } }[] };
  return [def.format, ...(def.checks ?? []).map((check) => check._zod.def.format)].includes("safeint");
}
