import type { AdvantageTransform, Row } from "../types.js";

/** Added to the variance, as in every published PPO code base. */
const VARIANCE_EPSILON = 1e-8;

/**
 * (A - mean) / sqrt(var + 1e-8) with mean and sample variance over the trained actions of the batch. NaN entries are left
 * out and stay NaN; actions that are not trained are shifted and scaled alike.
 */
export function whiten(rows: readonly Row[], advantages: readonly Float64Array[]): Float64Array[] {
  let sum = 0;
  let count = 0;
  forEachTrained(rows, advantages, (value) => {
    sum += value;
    count += 1;
  });
  const center = sum / count;
  let squares = 0;
  forEachTrained(rows, advantages, (value) => {
    squares += (value - center) ** 2;
  });
  const scale = 1 / Math.sqrt(squares / (count - 1) + VARIANCE_EPSILON);
  return advantages.map((values) => values.map((value) => (value - center) * scale));
}

function forEachTrained(rows: readonly Row[], values: readonly Float64Array[], visit: (value: number) => void): void {
  rows.forEach((row, i) => {
    if (row.role !== "train") return;
    for (let t = 0; t < row.length; t++) if (row.mask[t] === 1 && !Number.isNaN(values[i]![t]!)) visit(values[i]![t]!);
  });
}

/** `values` with 0 on the actions that are not trained. */
export function onTrained(rows: readonly Row[], values: readonly Float64Array[]): Float64Array[] {
  return values.map((array, i) => array.map((value, t) => (rows[i]!.mask[t] === 1 ? value : 0)));
}

/** The transform of {@link whiten}. */
export function whitenTransform(): AdvantageTransform {
  return { needs: {}, apply: (rows, advantages) => onTrained(rows, whiten(rows, advantages)) };
}
