/** A suffix and what takes its place; of a list the first suffix that fits decides. */
type SuffixRule = readonly [suffix: string, replacement: string];

const irregular: Readonly<Record<string, string>> = {
  skies: "sky",
  sky: "sky",
  dying: "die",
  lying: "lie",
  tying: "tie",
  news: "news",
  innings: "inning",
  inning: "inning",
  outings: "outing",
  outing: "outing",
  cannings: "canning",
  canning: "canning",
  howe: "howe",
  proceed: "proceed",
  exceed: "exceed",
  succeed: "succeed",
};

const step2Rules: readonly SuffixRule[] = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["izer", "ize"],
  ["bli", "ble"],
  ["alli", "al"],
  ["entli", "ent"],
  ["eli", "e"],
  ["ousli", "ous"],
  ["ization", "ize"],
  ["ation", "ate"],
  ["ator", "ate"],
  ["alism", "al"],
  ["iveness", "ive"],
  ["fulness", "ful"],
  ["ousness", "ous"],
  ["aliti", "al"],
  ["iviti", "ive"],
  ["biliti", "ble"],
  ["fulli", "ful"],
];

const step3Rules: readonly SuffixRule[] = [
  ["icate", "ic"],
  ["ative", ""],
  ["alize", "al"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ful", ""],
  ["ness", ""],
];

const step4Suffixes = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split(" ");

/**
 * Stem of an English word in lower case (Porter 1980, "An algorithm for suffix stripping", with the extensions of NLTK:
 * irregular forms, short words in -ies and -ied, y after consonants only, alli before bli).
 */
export function porterStem(word: string): string {
  if (Object.hasOwn(irregular, word)) return irregular[word]!;
  if (word.length <= 2) return word;
  return step5(step4(replaceFirst(step2(step1c(step1b(step1a(word)))), step3Rules)));
}

function step1a(word: string): string {
  if (word.endsWith("ies")) return word.length === 4 ? word.slice(0, -1) : word.slice(0, -2);
  if (word.endsWith("sses")) return word.slice(0, -2);
  return word.endsWith("s") && !word.endsWith("ss") ? word.slice(0, -1) : word;
}

function step1b(word: string): string {
  if (word.endsWith("ied")) return word.length === 4 ? word.slice(0, -1) : word.slice(0, -2);
  if (word.endsWith("eed")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ["ed", "ing"].find((end) => word.endsWith(end) && hasVowel(word.slice(0, -end.length)));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (/(at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsDoubled(stem)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

function step1c(word: string): string {
  const stem = word.slice(0, -1);
  return word.endsWith("y") && stem.length > 1 && isConsonant(stem, stem.length - 1) ? `${stem}i` : word;
}

function step2(word: string): string {
  if (word.endsWith("alli") && measure(word.slice(0, -4)) > 0) return step2(word.slice(0, -2));
  const rule = step2Rules.find(([suffix]) => word.endsWith(suffix));
  if (rule === undefined && word.endsWith("logi")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  return replaceFirst(word, step2Rules);
}

function step4(word: string): string {
  const suffix = step4Suffixes.find((end) => word.endsWith(end));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  return measure(stem) > 1 && (suffix !== "ion" || /[st]$/.test(stem)) ? stem : word;
}

function step5(word: string): string {
  let stem = word;
  if (word.endsWith("e")) {
    const short = word.slice(0, -1);
    if (measure(short) > 1 || (measure(short) === 1 && !endsShort(short))) stem = short;
  }
  return stem.endsWith("ll") && measure(stem.slice(0, -1)) > 1 ? stem.slice(0, -1) : stem;
}

/** The first suffix that fits is replaced, where something with a measure above 0 is left before it. */
function replaceFirst(word: string, rules: readonly SuffixRule[]): string {
  const rule = rules.find(([suffix]) => word.endsWith(suffix));
  if (rule === undefined) return word;
  const stem = word.slice(0, -rule[0].length);
  return measure(stem) > 0 ? stem + rule[1] : word;
}

/** Everything but a, e, i, o, u, and y after a consonant. */
function isConsonant(word: string, i: number): boolean {
  if ("aeiou".includes(word[i]!)) return false;
  return word[i] !== "y" || i === 0 || !isConsonant(word, i - 1);
}

const form = (stem: string) => Array.from(stem, (_, i) => (isConsonant(stem, i) ? "c" : "v")).join("");
const hasVowel = (stem: string) => form(stem).includes("v");

/** Porter's m: how often a consonant follows a vowel. */
function measure(stem: string): number {
  return form(stem).match(/vc/g)?.length ?? 0;
}

function endsDoubled(word: string): boolean {
  return word.length > 1 && word.at(-1) === word.at(-2) && isConsonant(word, word.length - 1);
}

/** Ends in consonant, vowel, consonant other than w, x, y; or is a vowel and a consonant. */
function endsShort(word: string): boolean {
  const shape = form(word);
  return (shape.endsWith("cvc") && !/[wxy]$/.test(word)) || shape === "vc";
}
