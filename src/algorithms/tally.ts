import type { Metric, Tally } from "./types.js";

/** A tally with nothing in it. */
export function emptyTally(): Tally {
  return { loss: 0, metrics: {} };
}

/** Adds `sum` over `count` things to the mean called `name`. */
export function addMean(tally: Tally, name: string, sum: number, count: number): void {
  const metric = tally.metrics[name];
  if (metric === undefined) tally.metrics[name] = { sum, count };
  else if ("sum" in metric) {
    metric.sum += sum;
    metric.count += count;
  } else throw new Error(`${name} is not a mean`);
}

/** Lets `value` compete for the smallest value called `name`. */
export function addMin(tally: Tally, name: string, value: number): void {
  const metric = tally.metrics[name];
  if (metric === undefined) tally.metrics[name] = { min: value };
  else if ("min" in metric) metric.min = Math.min(metric.min, value);
  else throw new Error(`${name} is not a minimum`);
}

/** Lets `value` compete for the largest value called `name`. */
export function addMax(tally: Tally, name: string, value: number): void {
  const metric = tally.metrics[name];
  if (metric === undefined) tally.metrics[name] = { max: value };
  else if ("max" in metric) metric.max = Math.max(metric.max, value);
  else throw new Error(`${name} is not a maximum`);
}

/** Value of a gathered metric; a mean over nothing is 0. */
export function metricValue(metric: Metric): number {
  if ("sum" in metric) return metric.sum / Math.max(metric.count, 1);
  return "min" in metric ? metric.min : metric.max;
}

/** Values of all metrics of a tally. */
export function metricValues(tally: Tally): Record<string, number> {
  return Object.fromEntries(Object.entries(tally.metrics).map(([name, metric]) => [name, metricValue(metric)]));
}
