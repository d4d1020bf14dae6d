import { quantile } from "./statistics.js";
import type { Metric, MetricLog, Tally } from "./types.js";

/** A tally with nothing in it. */
export function emptyTally(): Tally {
  return { loss: 0, metrics: {} };
}

/** Adds `sum` over `count` things to the mean called `name`. */
export function addMean(log: MetricLog | undefined, name: string, sum: number, count: number): void {
  if (log === undefined) return;
  const metric = log.metrics[name];
  if (metric === undefined) log.metrics[name] = { sum, count };
  else if ("sum" in metric) {
    metric.sum += sum;
    metric.count += count;
  } else throw new Error(`${name} is not a mean`);
}

/** Lets `value` compete for the smallest value called `name`. */
export function addMin(log: MetricLog | undefined, name: string, value: number): void {
  if (log === undefined) return;
  const metric = log.metrics[name];
  if (metric === undefined) log.metrics[name] = { min: value };
  else if ("min" in metric) metric.min = Math.min(metric.min, value);
  else throw new Error(`${name} is not a minimum`);
}

/** Lets `value` compete for the largest value called `name`. */
export function addMax(log: MetricLog | undefined, name: string, value: number): void {
  if (log === undefined) return;
  const metric = log.metrics[name];
  if (metric === undefined) log.metrics[name] = { max: value };
  else if ("max" in metric) metric.max = Math.max(metric.max, value);
  else throw new Error(`${name} is not a maximum`);
}

/** Adds one of the values whose quantiles are recorded, as `name/p05`, `/p25`, `/p50`, `/p75` and `/p95`. */
export function addValue(log: MetricLog | undefined, name: string, value: number): void {
  if (log === undefined) return;
  const metric = log.metrics[name];
  if (metric === undefined) log.metrics[name] = { values: [value] };
  else if ("values" in metric) metric.values.push(value);
  else throw new Error(`${name} is no list of values`);
}

const levels = ["05", "25", "50", "75", "95"] as const;

/** Named values of a gathered metric: one, or its quantiles. A mean over nothing is 0. */
function valuesOf(name: string, metric: Metric): [string, number][] {
  if ("sum" in metric) return [[name, metric.sum / Math.max(metric.count, 1)]];
  if ("values" in metric) {
    return levels.map((level) => [`${name}/p${level}`, quantile(metric.values, Number(level) / 100)]);
  }
  return [[name, "min" in metric ? metric.min : metric.max]];
}

/** Values of all metrics that were gathered. */
export function metricValues(log: MetricLog): Record<string, number> {
  return Object.fromEntries(Object.entries(log.metrics).flatMap(([name, metric]) => valuesOf(name, metric)));
}

/** The metrics of several updates as one: extremes of extremes, means of everything else over the updates that have it. */
export class UpdateMetrics {
  readonly #log: MetricLog = { metrics: {} };

  /** @param further numbers of the update that its tally does not hold */
  add(tally: MetricLog, further: Readonly<Record<string, number>>): void {
    for (const [name, metric] of Object.entries(tally.metrics)) {
      if ("min" in metric) addMin(this.#log, name, metric.min);
      else if ("max" in metric) addMax(this.#log, name, metric.max);
      else for (const [own, value] of valuesOf(name, metric)) addMean(this.#log, own, value, 1);
    }
    for (const [name, value] of Object.entries(further)) addMean(this.#log, name, value, 1);
  }

  values(): Record<string, number> {
    return metricValues(this.#log);
  }
}
