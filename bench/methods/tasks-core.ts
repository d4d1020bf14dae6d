import { gridWorldAlphabet, gridWorldTask } from "../../src/data/builtin/grid-world.js";
import {
  digit,
  exact,
  guess,
  image,
  lookUp,
  luck,
  type PlayRow,
  type PlayTask,
  times,
  uniform,
  weighted,
} from "./play-task.js";

const recallRows = (right: number, length = 2): PlayRow[] =>
  times(2000, (i) => {
    const n = i % 20;
    return { prompt: `${keys[n]}:`, completion: times(length, (k) => guess(n + 3 * k, right, i, k)).join("") };
  });
const keys = [..."abcdefghijklmnopqrst"];

/** Two digits to recall for each of twenty letters; the warm start gets about four in ten right. */
export const recall: PlayTask = {
  name: "recall",
  alphabet: [...keys, "0123456789:"].join(""),
  warm: { rows: recallRows(0.6), steps: 300 },
  train: times(20, (n) => ({ prompt: `${keys[n]}:`, answer: `${image(n)}${image(n + 3)}` })),
  maxTokens: 3,
  rewards: exact,
};

/** Four digits for each of four letters, which the policy gets right once in ten thousand. */
export const recallCold: PlayTask = {
  ...recall,
  name: "recall-cold",
  warm: { rows: recallRows(0, 4), steps: 100 },
  train: times(4, (n) => ({ prompt: `${keys[n]}:`, answer: times(4, (k) => image(n + 3 * k)).join("") })),
  maxTokens: 5,
};

/** The same after a warm start that is right nine times in ten at every digit: a teacher. */
export const recallTaught: PlayTask = {
  ...recallCold,
  name: "recall-taught",
  warm: { rows: recallRows(0.9, 4), steps: 500 },
};

/** The same with the first letter to train on and the others to test on. */
export const recallOne: PlayTask = {
  ...recall,
  name: "recall-one",
  train: recall.train.slice(0, 1),
  test: recall.train.slice(1),
};

/** A long prompt with a short answer. */
export const longPrompt: PlayTask = {
  name: "long-prompt",
  alphabet: [...keys, "0123456789:"].join(""),
  warm: {
    rows: times(64, (i) => ({ prompt: longText(i), completion: digit(Math.floor(10 * uniform(i, 1))) })),
    steps: 10,
  },
  train: times(16, (i) => ({ prompt: longText(i) })),
  maxTokens: 4,
  rewards: [{ name: "accuracy", kind: "regex", pattern: "^7" }],
};

function longText(i: number): string {
  return `${times(200, (t) => keys[Math.floor(20 * uniform(i, t, 13))]!).join("")}:`;
}

const tactics = [..."abcdefgh"];
const solves = [0.5, 0.3, 0.25, 0.2, 0.15, 0.12, 0.1, 0.08];
const letters = [..."ijklmnop"];
const tacticRows = (from: number, count: number): PlayRow[] =>
  times(count, (i) => {
    const id = from + i;
    const prompt = `${letters[id % 8]}${letters[(id >> 3) % 8]}${letters[(id >> 6) % 8]}>`;
    const right = Object.fromEntries(tactics.filter((_, k) => uniform(id, k, 1) < solves[k]!).map((t) => [t, 1]));
    return { prompt, right, completion: tactics[weighted([40, 20, 13, 10, 7, 5, 3, 2], id, 0, 2)]! };
  });

/**
 * Problems that one or several of eight tactics solve; the frequent tactic solves half of them, the rarest 8 %, and nothing in
 * the problem tells which. pass@32 is high only while rare tactics are still tried.
 */
export const rareTactics: PlayTask = {
  name: "rare-tactics",
  alphabet: [...tactics, ...letters, ">"].join(""),
  warm: { rows: tacticRows(0, 384), steps: 60 },
  train: tacticRows(0, 384),
  test: tacticRows(384, 128),
  maxTokens: 2,
  rewards: [{ name: "accuracy", kind: "module", module: "right.mjs" }],
  modules: { "right.mjs": lookUp("right") },
};

const rightAnswer = (n: number, k: number) => `${tactics[(n + k) % 8]}${letters[(3 * k + 2 * n) % 8]}`;

/** The right answer to a question of {@link manyAnswers} that is commonest at the start. */
export function commonest(prompt: string): string {
  return rightAnswer(Number(prompt[0]), 0);
}

/** Four questions with 64 answers each, of which eight are right, with probabilities from 0.3 down to 0.001. */
export const manyAnswers: PlayTask = {
  name: "many-answers",
  alphabet: [...tactics, ...letters, "0123:"].join(""),
  warm: {
    rows: times(8000, (i) => {
      const k = weighted([300, 133, 59, 26, 11.5, 5.1, 2.3, 1, 462], i, 0, 16);
      const any = `${tactics[Math.floor(8 * uniform(i, 1, 16))]}${letters[Math.floor(8 * uniform(i, 2, 16))]}`;
      return { prompt: `${i % 4}:`, completion: k < 8 ? rightAnswer(i % 4, k) : any };
    }),
    steps: 300,
  },
  train: times(4, (n) => ({
    prompt: `${n}:`,
    right: Object.fromEntries(times(8, (k) => [rightAnswer(n, k), 1])),
  })),
  maxTokens: 3,
  rewards: [{ name: "accuracy", kind: "module", module: "right.mjs" }],
  modules: { "right.mjs": lookUp("right") },
};

/** Six digits, of which the first alone decides. */
export const firstDigit: PlayTask = {
  name: "first-digit",
  alphabet: "0123456789:",
  warm: {
    rows: times(1000, (i) => ({
      prompt: `${i % 10}:`,
      completion: times(6, (t) => Math.floor(10 * uniform(i, t, 3))).join(""),
    })),
    steps: 60,
  },
  train: times(10, (n) => ({ prompt: `${n}:` })),
  maxTokens: 7,
  rewards: [{ name: "accuracy", kind: "regex", pattern: "^7" }],
};

/** Easy questions that are right nine times in ten, and hard ones that are right once in ten. */
export const easyAndHard: PlayTask = {
  name: "easy-and-hard",
  alphabet: "0123456789eh:",
  warm: {
    rows: times(1600, (i) => {
      const n = (i >> 1) % 10;
      return i % 2 === 0
        ? { prompt: `e${n}:`, completion: digit(guess(n, 0.89, i)) }
        : { prompt: `h${n}:`, completion: digit(guess(n, 0, i)) };
    }),
    steps: 250,
  },
  train: times(20, (i) => ({ prompt: `${"eh"[i % 2]}${i >> 1}:`, answer: digit(image(i >> 1)) })),
  maxTokens: 2,
  rewards: exact,
};

/** Easy questions, right six times in ten, and noisy ones whose label is drawn anew for every sample. */
export const noisyLabels: PlayTask = {
  name: "noisy-labels",
  alphabet: "0123456789en:</answer>",
  warm: {
    rows: times(1600, (i) => {
      const n = (i >> 1) % 10;
      const easy = i % 2 === 0;
      return { prompt: `${easy ? "e" : "n"}${n}:`, completion: `<answer>${guess(n, easy ? 0.6 : 0, i)}</answer>` };
    }),
    steps: 500,
  },
  train: times(20, (i) => ({ prompt: `${"en"[i % 2]}${i >> 1}:`, answer: `<answer>${image(i >> 1)}</answer>` })),
  maxTokens: 20,
  rewards: [{ name: "accuracy", kind: "module", module: "noisy.mjs", scope: "step" }],
  modules: {
    "noisy.mjs": `${luck}export default (samples, { step }) =>
  samples.map((s) => Number(s.prompt.startsWith("n") ? luck(step, s) < 0.5 : s.completion.trim() === s.record.answer));
`,
  },
};

/**
 * Two ways to answer: directly (right six times in ten, by luck, whatever is done), or by a search whose result must be put
 * to use: right two times in ten at first, always once it is learnt.
 */
export const twoStrategies: PlayTask = {
  name: "two-strategies",
  alphabet: "0123456789ds:",
  warm: {
    rows: times(2000, (i) => ({
      prompt: `${i % 4}:`,
      completion: uniform(i, 1) < 0.6 ? "d" : `s${guess(i % 4, 0.12, i)}`,
    })),
    steps: 200,
  },
  train: times(4, (n) => ({ prompt: `${n}:`, answer: `s${image(n)}` })),
  maxTokens: 3,
  rewards: [
    { name: "accuracy", kind: "module", module: "luck.mjs", scope: "step" },
    { name: "search", kind: "regex", pattern: "^s", weight: 0 },
  ],
  modules: {
    "luck.mjs": `${luck}export default (samples, { step }) =>
  samples.map((s) => Number(s.completion.startsWith("d") ? luck(step, s) < 0.6 : s.completion.trim() === s.record.answer));
`,
  },
};

const maps = gridWorldTask({ size: 3, walls: 1, count: 60 });
const map = (i: number, t: number) => String(maps[Math.floor(maps.length * uniform(i, t, 14))]!.map);
const move = (i: number, t: number) => "udlr"[Math.floor(4 * uniform(i, t, 15))]!;

/** Four mazes of three by three; the warm start walks at random. */
export const mazes: PlayTask = {
  name: "mazes",
  alphabet: gridWorldAlphabet,
  warm: {
    rows: times(1500, (i) => ({
      prompt: `${times(i % 6, (t) => `${map(i, t)}\n>${move(i, t)}\n`).join("")}${map(i, 6)}\n>`,
      completion: move(i, 6),
    })),
    steps: 60,
  },
  train: maps.slice(0, 4).map(({ map }) => ({ prompt: `${String(map)}\n>`, map })),
  maxTokens: 110,
  rewards: [{ name: "accuracy", kind: "environment" }],
};
