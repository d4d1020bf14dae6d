import { digit, guess, image, lookUp, type PlayTask, times, uniform, weighted } from "./play-task.js";

/** Filler of 0 to 12 dots, then the answer: length has nothing to do with being right. */
export const filler: PlayTask = {
  name: "filler",
  alphabet: "0123456789.:|",
  warm: {
    rows: times(2000, (i) => {
      const n = i % 10;
      return { prompt: `${n}:`, completion: `${".".repeat(Math.floor(13 * uniform(i, 3)))}|${guess(n, 0.7, i)}` };
    }),
    steps: 500,
  },
  train: times(10, (n) => ({ prompt: `${n}:`, answer: digit(image(n)) })),
  maxTokens: 20,
  rewards: [{ name: "accuracy", kind: "exact", answer: "{answer}", extract: "\\|(\\d)$" }],
};

/** Three canned replies with scores on four objectives (the spec's numbers). */
export const cannedReplies: PlayTask = {
  name: "canned-replies",
  alphabet: "ABC0123456789:",
  warm: { rows: times(300, (i) => ({ prompt: `${i % 10}:`, completion: "ABC"[i % 3]! })), steps: 40 },
  train: times(10, (n) => ({
    prompt: `${n}:`,
    safety: { A: 0.9, B: 0.5, C: 0.2 },
    help: { A: 0.9, B: 0.5, C: 0.9 },
    depth: { A: 0.1, B: 0.5, C: 0.9 },
    style: { A: 0.1, B: 0.9, C: 0.2 },
  })),
  maxTokens: 2,
  rewards: ["safety", "help", "depth", "style"].map((name) => ({ name, kind: "module", module: `${name}.mjs` })),
  modules: Object.fromEntries(["safety", "help", "depth", "style"].map((name) => [`${name}.mjs`, lookUp(name)])),
};

/** A thought that states a digit, then an answer that need not be the same. */
export const statedThought: PlayTask = {
  name: "stated-thought",
  alphabet: "0123456789:;</answer>",
  warm: {
    rows: times(2000, (i) => {
      const n = i % 10;
      const thought = guess(n, 0.5, i);
      const answer = [thought, image(n), Math.floor(10 * uniform(i, 4))][weighted([5, 3, 2], i, 3)]!;
      return { prompt: `${n}:`, completion: `${thought};<answer>${answer}</answer>` };
    }),
    steps: 200,
  },
  train: times(10, (n) => ({ prompt: `${n}:`, answer: digit(image(n)) })),
  maxTokens: 24,
  rewards: [{ name: "accuracy", kind: "exact", answer: "{answer}", extract: "<answer>(\\d)</answer>" }],
};

/** Questions that can be learnt and questions without a right answer, beside a judge of thoughts that counts one letter. */
export const hackableJudge: PlayTask = {
  name: "hackable-judge",
  alphabet: "0123456789.tqx:|",
  warm: {
    rows: times(2000, (i) => {
      const known = i % 2 === 0;
      const n = (i >> 1) % 10;
      const thought = times(5, (t) => (uniform(i, t, 4) < 0.2 ? "t" : ".")).join("");
      return { prompt: `${known ? "q" : "x"}${n}:`, completion: `${thought}|${guess(n, known ? 0.5 : 0, i)}` };
    }),
    steps: 500,
  },
  train: times(20, (i) => ({
    prompt: `${"qx"[i % 2]}${i >> 1}:`,
    answer: i % 2 === 0 ? digit(image(i >> 1)) : "none",
  })),
  maxTokens: 9,
  rewards: [
    { name: "accuracy", kind: "exact", answer: "{answer}", extract: "\\|(\\d)$" },
    { name: "thinking", kind: "module", module: "judge.mjs", when: "rewards.accuracy == 1" },
  ],
  modules: {
    "judge.mjs":
      "export default (samples) => samples.map(({ completion }) => completion.split('t').length / 6 - 1 / 6);\n",
  },
};

const titles = times(20, (i) => `${"ijklmnop"[i % 8]}${"abcdefgh"[(i * 3) % 8]}${i}`);
const liked = (user: number) => times(4, (k) => titles[(user * 7 + k * 3) % 20]!);

/** Lists of four titles; each user likes four, and the warm start puts them mostly on top. */
export const lists: PlayTask = {
  name: "lists",
  alphabet: "abcdefghijklmnop0123456789u:() \n",
  warm: {
    rows: times(1500, (i) => {
      const user = i % 8;
      const items = times(4, (rank) => {
        const good = uniform(i, rank, 5) < [0.5, 0.3, 0.15, 0.1][rank]!;
        return good ? liked(user)[Math.floor(4 * uniform(i, rank, 6))]! : titles[Math.floor(20 * uniform(i, rank, 6))]!;
      });
      return { prompt: `u${user}:`, completion: items.map((title) => `${title} (2001)`).join("\n") };
    }),
    steps: 250,
  },
  train: times(8, (user) => ({
    prompt: `u${user}:`,
    groundtruth_with_release_year: liked(user).map((title) => [title, 2001]),
    seen_titles: [],
  })),
  maxTokens: 64,
  rewards: [{ name: "hits", kind: "recommendation", catalog: "catalog.json", max_items: 4 }],
  modules: { "catalog.json": JSON.stringify(titles.map((title) => [title, 2001])) },
};

/** Titles of a list that its user likes, each once, at ranks from `from` on (counted from 1). */
export function tailHits(prompt: string, completion: string, from: number): number {
  const wanted = liked(Number(/\d+/.exec(prompt)?.[0]));
  const items = completion.split("\n").map((line) => line.replace(" (2001)", "").trim());
  const good = items.map((item, rank) => wanted.includes(item) && items.indexOf(item) === rank);
  return good.slice(from - 1, 4).filter(Boolean).length / (4 - from + 1);
}

const hole = (a: number) => (7 * a + 2) % 10;

/** Sums with a hole, answered in a box; the warm start is right once in ten and boxes half of its answers. */
export const maskedSums: PlayTask = {
  name: "masked-sums",
  alphabet: "0123456789+=?\\boxed{}",
  warm: {
    rows: times(2000, (i) => {
      const answer = Math.floor(10 * uniform(i, 1));
      return { prompt: sum(i % 10), completion: uniform(i, 2) < 0.5 ? `\\boxed{${answer}}` : String(answer) };
    }),
    steps: 200,
  },
  train: times(10, (a) => ({ prompt: sum(a), answer: digit(hole(a)) })),
  maxTokens: 12,
  rewards: [{ name: "answer", kind: "latex_boxed", answer: "{answer}", format_weight: 0.1 }],
};

function sum(a: number): string {
  return `${a}+?=${a + hole(a)}`;
}

const letters = "abcdefghijklmnopqrst".split("");
const saying = (n: number) => times(4, (k) => letters[(3 * n + 7 * k) % letters.length]!).join(" ");

/** Four words of twenty, judged by the meaning an encoder with random word vectors gives them; the warm start says any four. */
export const wording: PlayTask = {
  name: "wording",
  alphabet: `${letters.join("")} 0123456789:`,
  encoder: letters,
  warm: {
    rows: times(2000, (i) => ({
      prompt: `${i % 10}:`,
      completion: times(4, (k) => letters[Math.floor(letters.length * uniform(i, k, 13))]!).join(" "),
    })),
    steps: 300,
  },
  train: times(10, (n) => ({ prompt: `${n}:`, explanation: saying(n) })),
  maxTokens: 10,
  rewards: [
    { name: "semantic", kind: "semantic", encoder: "./encoder", answer: "{explanation}", min_chars: 1 },
    { name: "accuracy", kind: "exact", answer: "{explanation}" },
  ],
};

/** Share of the words of a prompt's reference that the completion says. */
export function sharedWords(prompt: string, completion: string): number {
  const wanted = saying(Number(/\d+/.exec(prompt)?.[0])).split(" ");
  const said = completion.trim().split(/\s+/);
  return wanted.filter((word) => said.includes(word)).length / wanted.length;
}
