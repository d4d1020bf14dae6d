import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";
import { formatNumber, lineChart } from "./chart.js";
import { escapeHtml } from "./escape-html.js";
import { metricMeaning } from "./metric-meaning.js";
import { readMetrics, type StepMetrics } from "./metrics.js";
import { pageStyle } from "./page-style.js";
import { type RolloutRow, readRollouts } from "./rollouts.js";
import { runFolderAt } from "./run-folder.js";

/** Charts of the page, by section; a chart draws the metrics of its list that the run has. */
const sections: { title: string; charts: string[][] }[] = [
  { title: "Learning", charts: [["reward/mean"], ["reward/std"], ["loss"], ["grad_norm"], ["group/zero_std"]] },
  {
    title: "Policy",
    charts: [["entropy/mean"], ["kl/mean"], ["ratio/clip_low", "ratio/clip_high"], ["mismatch/logprob_max_abs"]],
  },
  { title: "Completions", charts: [["length/mean", "length/min", "length/max"], ["length/truncated"]] },
  {
    title: "Cost",
    charts: [
      ["time/rollout_s", "time/reward_s", "time/update_s"],
      ["tokens/rollout", "tokens/train_unique", "tokens/train_logical"],
      ["memory/peak_mb"],
    ],
  },
];

/** Marks the ends of a confidence interval in the names of metrics. */
const intervalEnd = /_(low|high)$/;

/** How many of the best and of the worst completions are shown. */
const shownSamples = 3;

/**
 * The static page of a run: what it reached, a curve and a sentence per metric, completions, and the config. It needs
 * nothing outside of itself.
 *
 * @throws GrpoError GRPO_RUN_MISSING (exit 4) for a folder without metrics
 */
export function renderReport(runDir: string): string {
  const folder = runFolderAt(resolve(runDir));
  const records = readMetrics(folder.metrics);
  if (records.length === 0) {
    throw new GrpoError("GRPO_RUN_MISSING", `there are no metrics in ${folder.path}`, {
      exitCode: ExitCode.data,
      fix: "give the folder of a run that has done at least one step",
    });
  }
  const config = existsSync(folder.resolvedConfig) ? readFileSync(folder.resolvedConfig, "utf8") : null;
  const name = escapeHtml(basename(folder.path));
  const parts = [
    `<h1>${name}</h1>`,
    `<p class="soft">${escapeHtml(describeRun(records))}</p>`,
    summaryTiles(records),
    `<p class="note">A loss near 0 is normal here: the advantages of a group sum to 0. Watch the reward.</p>`,
    ...chartSections(records),
    ...sampleSections(folder.rollouts),
    config === null ? "" : `<h2>Config</h2><div class="card"><pre>${escapeHtml(config)}</pre></div>`,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}: grpo report</title>
<style>${pageStyle}</style>
</head>
<body><main>
${parts.filter((part) => part !== "").join("\n")}
</main></body>
</html>
`;
}

function describeRun(records: readonly StepMetrics[]): string {
  const stages = [...new Set(records.map(({ stage }) => stage).filter((stage) => typeof stage === "string"))];
  const count = new Set(records.map(({ step }) => step).filter((step) => step !== 0)).size;
  const steps = `${count} step${count === 1 ? "" : "s"}`;
  return stages.length === 0 ? steps : `${steps}: ${stages.join(", then ")}`;
}

/** First and last value of what the run is judged by. */
function summaryTiles(records: readonly StepMetrics[]): string {
  const judged = metricNames(records).filter((name) => /^eval\/[^/]+$/.test(name) && !intervalEnd.test(name));
  const tiles = ["reward/mean", ...judged].flatMap((name) => {
    const measured = records.filter((record) => typeof record[name] === "number");
    const [first, last] = [measured[0], measured.at(-1)];
    if (first === undefined || last === undefined) return [];
    const ends = ["low", "high"].map((end) => last[`${name}_${end}`]);
    const facts = [
      measured.length > 1 ? `from ${formatNumber(first[name] as number)}` : "",
      ends.every((end) => typeof end === "number")
        ? `95 %: ${ends.map((end) => formatNumber(end as number)).join(" to ")}`
        : "",
    ].filter((fact) => fact !== "");
    return [
      `<div class="tile" title="${escapeHtml(metricMeaning(name))}">${escapeHtml(name)}<b>${formatNumber(last[name] as number)}</b>` +
        `<span class="soft">${facts.join("; ")}</span></div>`,
    ];
  });
  return tiles.length === 0 ? "" : `<div class="tiles">${tiles.join("")}</div>`;
}

function chartSections(records: readonly StepMetrics[]): string[] {
  const present = metricNames(records);
  const drawn = new Set(sections.flatMap(({ charts }) => charts.flat()));
  const rest = present.filter((name) => !drawn.has(name));
  const rewards = rest.filter((name) => name.startsWith("reward/"));
  const evals = rest.filter((name) => /^eval\/[^/]+$/.test(name));
  const others = rest.filter((name) => !rewards.includes(name) && !evals.includes(name));
  return [
    ...(evals.length > 0 ? [{ title: "Evaluation", charts: withIntervals(evals) }] : []),
    ...sections.slice(0, 1),
    ...(rewards.length > 0 ? [{ title: "Reward components", charts: rewards.map((name) => [name]) }] : []),
    ...sections.slice(1),
    ...(others.length > 0 ? [{ title: "Further metrics", charts: others.map((name) => [name]) }] : []),
  ].flatMap(({ title, charts }) => {
    const cards = charts
      .map((names) =>
        chartCard(
          names.filter((name) => present.includes(name)),
          records,
        ),
      )
      .filter(Boolean);
    return cards.length === 0 ? [] : [`<h2>${title}</h2><div class="grid3">${cards.join("")}</div>`];
  });
}

/** Each evaluated metric with the ends of its confidence interval, in one chart. */
function withIntervals(names: readonly string[]): string[][] {
  const charts = new Map<string, string[]>();
  for (const name of names) {
    const base = name.replace(intervalEnd, "");
    charts.set(base, [...(charts.get(base) ?? []), name]);
  }
  return [...charts.values()];
}

/** Names of the metrics that hold a number somewhere, in the order of the records. */
function metricNames(records: readonly StepMetrics[]): string[] {
  const names = new Set<string>();
  for (const record of records) {
    for (const [name, value] of Object.entries(record))
      if (name !== "step" && typeof value === "number") names.add(name);
  }
  return [...names];
}

function chartCard(names: readonly string[], records: readonly StepMetrics[]): string {
  const x = stepAxis(records);
  const series = names.map((name) => ({
    name,
    x,
    y: records.map((record) => (typeof record[name] === "number" ? record[name] : null)),
  }));
  const chart = lineChart(series, stageMarks(records, x));
  if (chart === "") return "";
  if (series.length === 1) {
    const last = series[0]!.y.filter((value) => value !== null).at(-1)!;
    return (
      `<section class="card"><div class="head"><h3>${escapeHtml(names[0]!)}</h3><span>last ${formatNumber(last)}</span></div>` +
      `${chart}<p>${escapeHtml(metricMeaning(names[0]!))}</p></section>`
    );
  }
  const legend = names.map((name, i) => `<li><i class="k${i % 4}"></i>${escapeHtml(name)}</li>`).join("");
  const meanings = names.map((name) => `<p>${escapeHtml(`${name}: ${metricMeaning(name)}`)}</p>`).join("");
  return `<section class="card"><h3>${escapeHtml(commonTitle(names))}</h3>${chart}<ul class="legend">${legend}</ul>${meanings}</section>`;
}

function commonTitle(names: readonly string[]): string {
  return names[0]!.split("/")[0]!;
}

/** Steps where they never fall back; else the number of the record. An evaluation may share the step before it. */
function stepAxis(records: readonly StepMetrics[]): number[] {
  const steps = records.map(({ step }) => (typeof step === "number" ? step : Number.NaN));
  return steps.every((step, i) => i === 0 || step >= steps[i - 1]!) ? steps : records.map((_, i) => i + 1);
}

function stageMarks(records: readonly StepMetrics[], x: readonly number[]): { x: number; label: string }[] {
  return records.flatMap(({ stage }, i) =>
    i > 0 && typeof stage === "string" && stage !== records[i - 1]!.stage ? [{ x: x[i]!, label: stage }] : [],
  );
}

function sampleSections(rolloutsDir: string): string[] {
  const files = existsSync(rolloutsDir)
    ? readdirSync(rolloutsDir)
        .filter((name) => name.endsWith(".arrow"))
        .sort()
    : [];
  const chosen = [...new Set([files.at(-1), files[0]])].filter((name) => name !== undefined);
  return chosen.map((file, i) => {
    const step = Number(file.match(/\d+/)?.[0] ?? 0);
    const title = `Completions of step ${step}${i > 0 ? ", the first that was kept" : ""}`;
    return `<h2>${title}</h2>${samples(readRollouts(join(rolloutsDir, file)))}`;
  });
}

function samples(rows: readonly RolloutRow[]): string {
  const ranked = [...rows].filter(({ reward }) => Number.isFinite(reward)).sort((a, b) => b.reward - a.reward);
  const count = Math.min(shownSamples, Math.ceil(ranked.length / 2));
  const cards = [
    ...ranked.slice(0, count).map((row) => sampleCard(row, "best")),
    ...ranked.slice(Math.max(count, ranked.length - count)).map((row) => sampleCard(row, "worst")),
  ];
  if (cards.length === 0) return `<p class="soft">None of its ${rows.length} completions got a reward.</p>`;
  return `<div class="grid3">${cards.join("")}</div>`;
}

function sampleCard(row: RolloutRow, kind: "best" | "worst"): string {
  const components = Object.entries(row.components)
    .map(([name, value]) => `${name} ${value === null ? "not applicable" : formatNumber(value)}`)
    .join(", ");
  const facts = [components, `${row.tokens.length} tokens`, `ended by ${row.finish}`]
    .filter((fact) => fact !== "")
    .join("; ");
  return (
    `<section class="card sample ${kind}"><div class="head"><h3>reward ${formatNumber(row.reward)}</h3>` +
    `<span>${kind}, group ${row.group}, sample ${row.sample}</span></div><p>${escapeHtml(facts)}</p>` +
    `<pre><span class="prompt">${escapeHtml(row.prompt)}</span>${escapeHtml(row.completion)}</pre></section>`
  );
}
