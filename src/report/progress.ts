import type { WriteStream } from "node:tty";
import { MultiBar } from "cli-progress";

/** What a step shows; a key that is absent or not finite is left out. */
export type ProgressMetrics = Readonly<Record<string, number | string | null | undefined>>;

/** The view of a run while it goes. */
export interface Progress {
  /** Shows that a step is done. `metrics.step` is its number. */
  step(metrics: ProgressMetrics): void;
  /** Shows a line of text above the bar. */
  message(text: string): void;
  /** Ends the view; the bar stays as it is. The bar keeps the process alive until then. */
  stop(): void;
}

/** What is shown of a step, in this order. */
const shown: { label: string; value: (metrics: ProgressMetrics) => unknown; digits: number }[] = [
  { label: "reward", value: (metrics) => metrics["reward/mean"], digits: 3 },
  { label: "loss", value: (metrics) => metrics.loss, digits: 4 },
  { label: "entropy", value: (metrics) => metrics["entropy/mean"], digits: 3 },
  { label: "kl", value: (metrics) => metrics["kl/mean"], digits: 4 },
  {
    label: "tokens/s",
    value: (metrics) => Number(metrics["tokens/rollout"]) / Number(metrics["time/step_s"]),
    digits: 0,
  },
];

/**
 * A progress bar where `stream` is a terminal; elsewhere one plain line per step, without control characters.
 *
 * @param options total: the last step; start: steps done before (a resumed run); label: what runs, for example `grpo`
 */
export function createProgress(options: {
  total: number;
  start?: number;
  stream: NodeJS.WritableStream;
  label: string;
  now?: () => number;
}): Progress {
  return (options.stream as WriteStream).isTTY === true ? terminalProgress(options) : plainProgress(options);
}

type Options = Parameters<typeof createProgress>[0];

function plainProgress({
  total,
  start = 0,
  stream,
  label,
  now = performance.now.bind(performance),
}: Options): Progress {
  const left = timeLeft(total, start, now);
  return {
    step(metrics) {
      const step = Number(metrics.step);
      const details = describeStep(metrics);
      // A record of an evaluation alone; its message has said it.
      if (details.length === 0) return;
      stream.write(`${[`${label} ${step}/${total}`, ...details, ...left(step)].join("  ")}\n`);
    },
    message: (text) => void stream.write(`${text}\n`),
    stop: () => undefined,
  };
}

function terminalProgress({
  total,
  start = 0,
  stream,
  label,
  now = performance.now.bind(performance),
}: Options): Progress {
  const left = timeLeft(total, start, now);
  const view = new MultiBar({
    stream,
    format: "{label} {bar} {value}/{total}  {details}",
    barsize: 20,
    barCompleteChar: "=",
    barIncompleteChar: "-",
    hideCursor: true,
    // The bar is drawn again below a message even where it has not changed.
    forceRedraw: true,
    // The bar is cut at the width of the terminal; messages may wrap.
    linewrap: true,
    // Ctrl-C is the command's business: it saves before it stops.
    gracefulExit: false,
    fps: 10,
  });
  const bar = view.create(total, start, { label, details: "" });
  return {
    step(metrics) {
      const step = Number(metrics.step);
      bar.update(step, { details: [...describeStep(metrics), ...left(step)].join("  ") });
      view.update();
    },
    message(text) {
      view.log(`${text}\n`);
      view.update();
    },
    stop: () => view.stop(),
  };
}

/** A number with so many decimals; one that rounds to zero has no sign. */
function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

function describeStep(metrics: ProgressMetrics): string[] {
  return shown.flatMap(({ label, value, digits }) => {
    const number = value(metrics);
    return typeof number === "number" && Number.isFinite(number) ? [`${label} ${fixed(number, digits)}`] : [];
  });
}

/** The time left after a step, from the mean of the steps of this process; nothing before the first and after the last. */
function timeLeft(total: number, start: number, now: () => number): (step: number) => string[] {
  const began = now();
  return (step) => {
    if (step <= start || step >= total) return [];
    return [`eta ${formatDuration(((now() - began) / 1000 / (step - start)) * (total - step))}`];
  };
}

/** A duration for people: `42s`, `3m05s`, `2h07m`. */
export function formatDuration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}m${pad(s % 60)}s`;
  return `${Math.floor(s / 3600)}h${pad(Math.floor((s % 3600) / 60))}m`;
}
