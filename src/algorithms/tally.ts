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

/** Value of a gathered metric; a mean over nothing is 0. */
export function metricValue(metric: Metric): number {
  if ("sum" in metric) return metric.sum / Math.max(metric.count, 1);
  return "min" in metric ? metric.min : metric.max;
}

/** Values of all metrics that were gathered. */
export function metricValues(log: MetricLog): Record<string, number> {
  return Object.fromEntries(Object.entries(log.metrics).map(([name, metric]) => [name, metricValue(metric)]));
}
