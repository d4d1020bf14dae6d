/** Function words that are frequent in one language and rare in the others of the list. */
const words: Readonly<Record<string, string>> = {
  de: "der die das und ist nicht ein eine mit auf für von sich auch wird dass wenn sind werden weil",
  en: "the and is of that it with as are was be by this which from or have not can because",
  es: "el los las y es una por con para como más pero sus este esta porque cuando también hay son",
  fr: "le les et est une des du pour dans que qui avec sur pas plus sont cette parce mais être",
  it: "il lo gli di che è per con non sono della del perché questo anche più come alla nel quindi",
  nl: "het een van en dat niet zijn op voor met wordt ook maar aan bij omdat deze als naar worden",
  pt: "o os uma não com para mais como dos são pelo pela porque também isso mas quando ao na seu",
};

const languages = Object.entries(words).map(([language, list]) => ({ language, known: new Set(list.split(" ")) }));

/** Function words below which a text says nothing of its language. */
const LEAST = 3;

/**
 * The language of a text by its function words: German, English, Spanish, French, Italian, Dutch or Portuguese; null for texts with
 * few of them, or with as many of two languages.
 */
export function languageOf(text: string): string | null {
  const found = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const counts = languages.map(({ language, known }) => ({
    language,
    count: found.filter((word) => known.has(word)).length,
  }));
  const [first, second] = counts.sort((a, b) => b.count - a.count);
  return first!.count < LEAST || first!.count === second!.count ? null : first!.language;
}
