import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { averagedEloRatings, eloRatings, type Match } from "../../src/eval/elo.js";
import { createRewards } from "../../src/rewards/reward-set.js";
import { cosine, mapCosine } from "../../src/rewards/semantic/cosine.js";
import { explanationOf } from "../../src/rewards/semantic/explanation.js";
import { languageOf } from "../../src/rewards/semantic/language.js";
import { rougeL } from "../../src/rewards/semantic/rouge-l.js";
import { row, sample } from "../golden/adapter.js";

const marks = { tag: "spiegazione", answer_tag: "risposta" };
const context = { step: 1, evaluation: false };

/** Counts of the letters a, b and c stand for the meaning of a text. */
async function withLetters(options: object, others: object[] = []) {
  const asked: string[] = [];
  const letters = (text: string) => Float64Array.from("abc", (letter) => text.split(letter).length - 1);
  const embed = async (texts: readonly string[]) => {
    asked.push(...texts);
    return texts.map(letters);
  };
  const specs = [
    { name: "semantic", kind: "semantic", encoder: "e", answer: "{ref}", min_chars: 2, ...options },
    ...others,
  ];
  const openEmbedder = async () => ({ embed, close: () => {} });
  const rewards = await createRewards(rewardsSchema.parse(specs), { baseDir: ".", seed: 0, openEmbedder });
  return { rewards, asked };
}

test("the worked example: half a right angle, its affine form, and a zero vector", () => {
  const value = cosine(Float64Array.of(1, 0), Float64Array.of(1, 1));
  assert.ok(Math.abs(value - Math.SQRT1_2) < 1e-8);
  assert.ok(Math.abs(mapCosine(value, "affine") - 0.853553) < 1e-6);
  assert.equal(cosine(new Float64Array(2), Float64Array.of(1, 1)), 0);
  assert.equal(mapCosine(-0.3, "clip0"), 0);
  assert.equal(mapCosine(-0.3, "raw"), -0.3);
});

test("the explanation is its tag's text, else all but the answer; thoughts never count", () => {
  const thought = "<think>x <spiegazione>no</spiegazione></think>";
  assert.equal(explanationOf(`${thought}<spiegazione> why\n</spiegazione><risposta>B</risposta>`, marks), "why");
  assert.equal(explanationOf(`${thought} why <risposta>B</risposta>`, marks), "why");
  assert.equal(explanationOf("<risposta>B</risposta>", marks), "");
});

test("an empty explanation gets 0, a short reference does not apply, and a reference is embedded once", async () => {
  const { rewards, asked } = await withLetters({ prefix: "q: " });
  const samples = [
    sample("aa", { ref: "ab" }),
    sample("<risposta>a</risposta>", { ref: "ab" }),
    sample("bb", { ref: "ab" }),
    sample("bb", { ref: "b" }),
    sample("bb", { ref: null }),
  ];
  const { components } = await rewards.score(samples, context);
  const [first, ...rest] = components.semantic!;
  assert.ok(Math.abs(first! - Math.SQRT1_2) < 1e-8);
  assert.equal(rest[0], 0);
  assert.equal(rest[1], first);
  assert.deepEqual(rest.slice(2), [null, null]);
  assert.deepEqual(asked, ["q: aa", "q: bb", "q: ab"]);
  assert.equal(rewards.metrics()["reward/semantic/empty"], 0.2);
  await rewards.close();
});

test("with weight 0 the advantages are those of plain accuracy", async () => {
  const accuracy = { name: "accuracy", kind: "exact", answer: "{right}" };
  const { rewards } = await withLetters({ weight: 0 }, [accuracy]);
  const samples = ["ab", "b", "ab", "c"].map((text) => sample(text, { ref: "aab", right: "ab" }));
  const { total } = await rewards.score(samples, context);
  const of = (values: Iterable<number>) =>
    makeAdvantage(advantageSchema.parse({})).estimate(Array.from(values, (reward) => row({ length: 1, reward })));
  assert.deepEqual(of(total), of([1, 0, 1, 0]));
  await rewards.close();
});

test("ROUGE-L counts words in common order, in any script, and is 0 where there are none", () => {
  assert.ok(Math.abs(rougeL("a b c", "c b a") - 1 / 3) < 1e-12);
  assert.equal(rougeL("Perché NO?", "perché, no"), 1);
  assert.equal(rougeL("...", "a"), 0);
  assert.equal(rougeL("", ""), 0);
});

test("ratings keep their sum, and their average over shuffles does not favour the last match", () => {
  const matches: Match[] = Array.from({ length: 40 }, (_, i) => ["a", "b", i < 20 ? 1 : 0]);
  const options = { k: 32, initial: 1500 };
  const inOrder = eloRatings(matches, options);
  assert.ok(Math.abs(inOrder.a! + inOrder.b! - 3000) < 1e-9);
  assert.ok(inOrder.b! > inOrder.a! + 100);
  const fair = averagedEloRatings(matches, options, { shuffles: 200, seed: 1 });
  assert.ok(Math.abs(fair.a! - fair.b!) < 20);
});

test("explanations of a group that grow alike, and those in another language than their reference, are told", async () => {
  const { rewards } = await withLetters({});
  const english = "this is the answer that was given with care";
  const italian = "questo è il motivo per cui la risposta non è giusta";
  const ref = "the reason is that it was not the same as this";
  await rewards.score(
    [english, italian, "aa", ""].map((text) => sample(text, { ref })),
    context,
  );
  const metrics = rewards.metrics();
  const letters = (text: string) => Float64Array.from("abc", (letter) => text.split(letter).length - 1);
  const vectors = [english, italian, "aa"].map(letters);
  const want =
    (cosine(vectors[0]!, vectors[1]!) + cosine(vectors[0]!, vectors[2]!) + cosine(vectors[1]!, vectors[2]!)) / 3;
  assert.equal(metrics["reward/semantic/self_similarity"], want);
  assert.equal(metrics["reward/semantic/other_language"], 0.5);
  assert.equal(metrics["reward/semantic/empty"], 0.25);
  await rewards.close();
});

test("the language of a text is told by its function words, and not from a few or as many of two", () => {
  const texts = {
    de: "Das ist nicht der Grund, denn die Antwort wird auch von einer anderen gegeben",
    en: "It was the reason that they were not given with this answer",
    es: "La respuesta es una de las que están en el texto, pero también hay otras para ella",
    fr: "Les raisons sont dans le texte et la réponse est une des plus simples",
    it: "La risposta è una di quelle che non sono nel testo, perché il motivo è più semplice",
    nl: "Het is niet een van de redenen die in dat boek zijn, maar ook voor deze",
    pt: "A resposta não é uma das que são do texto, mas também há outras para ela",
  };
  for (const [language, text] of Object.entries(texts)) assert.equal(languageOf(text), language);
  assert.equal(languageOf("42"), null);
  assert.equal(languageOf("the is of der die das"), null);
});
