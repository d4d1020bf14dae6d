import { escapeHtml } from "./escape-html.js";

/** One curve; `y[i]` belongs to `x[i]`, null = not measured there. */
export interface Series {
  name: string;
  x: readonly number[];
  y: readonly (number | null)[];
}

const width = 360;
const height = 190;
const area = { left: 44, right: 344, top: 10, bottom: 168 };
/** More points than pixels only blacken the picture. */
const maxPoints = 240;
/** From this many points on a curve is drawn faint, with its moving mean over it. */
const smoothFrom = 40;

/**
 * An inline SVG line chart with axes; each point answers to the pointer with its numbers.
 *
 * @param marks steps at which a vertical line stands, with a label (a change of stage)
 */
export function lineChart(series: readonly Series[], marks: readonly { x: number; label: string }[] = []): string {
  const curves = series.map((one) => thinOut(one)).filter(({ points }) => points.length > 0);
  const all = curves.flatMap(({ points }) => points);
  if (all.length === 0) return "";
  const yTicks = niceTicks(Math.min(...all.map(({ y }) => y)), Math.max(...all.map(({ y }) => y)), 4);
  const xEnds = [Math.min(...all.map(({ x }) => x)), Math.max(...all.map(({ x }) => x))] as const;
  const xTicks = niceTicks(...xEnds, 5).filter((x) => x >= xEnds[0] && x <= xEnds[1] && Number.isInteger(x));
  const toX = scale(xEnds[0], xEnds[1], area.left, area.right);
  const toY = scale(yTicks[0]!, yTicks.at(-1)!, area.bottom, area.top);
  const parts = [
    ...yTicks.map((tick) => gridLine(toY(tick), formatNumber(tick))),
    ...xTicks.map(
      (tick) => `<text class="tick" x="${r(toX(tick))}" y="${area.bottom + 15}" text-anchor="middle">${tick}</text>`,
    ),
    ...marks.filter(({ x }) => x >= xEnds[0] && x <= xEnds[1]).map(({ x, label }) => markLine(toX(x), label)),
    ...curves.map(({ points }, i) => curve(points, i, toX, toY)),
    ...curves.flatMap(({ name, points }) => hoverTargets(name, points, curves.length, toX, toY)),
  ];
  const label = escapeHtml(`${series.map(({ name }) => name).join(", ")} over steps`);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${parts.join("")}</svg>`;
}

interface Point {
  x: number;
  y: number;
}

/** The points of a curve; many are replaced by the means of equal runs. */
function thinOut({ name, x, y }: Series): { name: string; points: Point[] } {
  const points = x.flatMap((at, i) => {
    const value = y[i];
    return value === null || value === undefined || !Number.isFinite(value) ? [] : [{ x: at, y: value }];
  });
  const run = Math.ceil(points.length / maxPoints);
  if (run <= 1) return { name, points };
  const means: Point[] = [];
  for (let i = 0; i < points.length; i += run) means.push(mean(points.slice(i, i + run)));
  return { name, points: means };
}

function mean(points: readonly Point[]): Point {
  const sum = points.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

function movingMean(points: readonly Point[]): Point[] {
  const half = Math.max(1, Math.round(points.length / 40));
  return points.map(({ x }, i) => ({ x, y: mean(points.slice(Math.max(0, i - half), i + half + 1)).y }));
}

function curve(points: readonly Point[], index: number, toX: Scale, toY: Scale): string {
  const line = (of: readonly Point[], kind: string) =>
    `<polyline class="${kind} s${index % 4}" points="${of.map(({ x, y }) => `${r(toX(x))},${r(toY(y))}`).join(" ")}"/>`;
  if (points.length === 1) {
    const [{ x, y }] = points as [Point];
    return `<circle class="dot s${index % 4}" cx="${r(toX(x))}" cy="${r(toY(y))}" r="3"/>`;
  }
  if (points.length < smoothFrom) return line(points, "line");
  return line(points, "line faint") + line(movingMean(points), "line");
}

function hoverTargets(name: string, points: readonly Point[], curves: number, toX: Scale, toY: Scale): string[] {
  const radius = curves > 1 ? 5 : 7;
  return points.map(({ x, y }) => {
    const text = escapeHtml(`step ${Math.round(x)}: ${name} ${formatNumber(y)}`);
    return `<circle class="hit" cx="${r(toX(x))}" cy="${r(toY(y))}" r="${radius}"><title>${text}</title></circle>`;
  });
}

function gridLine(y: number, label: string): string {
  return (
    `<line class="grid" x1="${area.left}" x2="${area.right}" y1="${r(y)}" y2="${r(y)}"/>` +
    `<text class="tick" x="${area.left - 6}" y="${r(y + 3.5)}" text-anchor="end">${label}</text>`
  );
}

function markLine(x: number, label: string): string {
  return (
    `<line class="mark" x1="${r(x)}" x2="${r(x)}" y1="${area.top}" y2="${area.bottom}"/>` +
    `<text class="tick" x="${r(x + 3)}" y="${area.top + 8}">${escapeHtml(label)}</text>`
  );
}

type Scale = (value: number) => number;

function scale(from: number, to: number, start: number, end: number): Scale {
  if (from === to) return () => (start + end) / 2;
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

/** Ticks at multiples of 1, 2 or 5 times a power of ten, the first not above `low`, the last not below `high`. */
export function niceTicks(low: number, high: number, count: number): number[] {
  const spread = high > low ? high - low : Math.abs(low) || 1;
  const rough = spread / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  // Rounded to the digits of the step, so that 0.1 + 0.2 reads 0.3.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A number in at most about six characters: 0.123, 12.3, 1.2e-5, 34.5k. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size < 1e-3) return value.toExponential(1).replace(".0e", "e");
  if (size < 1e4) return String(Number(value.toPrecision(4)));
  if (size < 1e6) return `${Number((value / 1e3).toPrecision(3))}k`;
  if (size < 1e9) return `${Number((value / 1e6).toPrecision(3))}M`;
  return value.toExponential(1);
}

function r(value: number): string {
  return String(Math.round(value * 10) / 10);
}
