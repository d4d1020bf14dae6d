import type { AdvantageConfig } from "../config/schema/advantage.js";
import { searchCount } from "./search-count.js";
import type { Row } from "./types.js";

type KeyConfig = Pick<Extract<AdvantageConfig, { kind: "stratified" }>, "key" | "max_bucket">;

/**
 * What kind of trajectory a row is: rows of a group with equal keys form a stratum. Counts from `max_bucket` on are one
 * stratum. Tool calls are the steps whose `meta` names a `tool`; `meta.empty` marks one that returned nothing.
 *
 * @throws Error when the key is a reward component that the row does not have
 */
export function stratumKey(row: Row, { key, max_bucket }: KeyConfig): number | string {
  const calls = row.steps.filter(({ meta }) => typeof meta.tool === "string");
  const bucket = (count: number) => Math.min(count, max_bucket ?? Number.POSITIVE_INFINITY);
  if (typeof key === "object") {
    const value = row.components[key.component]?.values[0];
    if (value === undefined) throw new Error(`stratified: a row has no reward component named ${key.component}`);
    return bucket(value);
  }
  switch (key) {
    case "search_count":
      return bucket(searchCount(row.text));
    case "tool_count":
      return bucket(calls.length);
    case "turn_count":
      return bucket(row.steps.length);
    case "tool_sequence":
      return calls.map(({ meta }) => meta.tool).join(",");
    case "call_outcome":
      return calls.map(({ meta }) => (meta.empty === true ? "empty" : "found")).join(",");
  }
}
