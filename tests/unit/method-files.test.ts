import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { readRecipe, recipeNames } from "../../src/config/recipes.js";
import { projectRoot } from "../shared.js";

const read = (path: string) => readFileSync(join(projectRoot, path), "utf8");
const linesOf = (path: string) => read(path).split("\n").length - 1;
const target = (from: string, to: string) => normalize(join(dirname(from), to.replace(/\.js$/, ".ts")));

const sources = readdirSync(join(projectRoot, "src"), { recursive: true })
  .map((name) => join("src", String(name)))
  .filter((path) => path.endsWith(".ts"));
const importsOf = new Map(
  sources.map((path) => [
    path,
    [...read(path).matchAll(/^import [^;]*?from "(\..*?)"/gms)].map((m) => target(path, m[1]!)),
  ]),
);
const importersOf = (path: string) => sources.filter((from) => importsOf.get(from)!.includes(path));

/** What all methods share: GRPO's own parts, and the registries. */
const core = new Set(
  ["advantage/group", "objective/policy-objective", "objective/clip", "objective/aggregation", "objective/kl-loss"].map(
    (name) => `src/algorithms/${name}.ts`,
  ),
);
const registries = ["advantage", "objective", "shape"].map((name) => `src/algorithms/${name}/registry.ts`);

/** The file behind each `kind`, read off the registries: `kind: factory` and the import of that factory. */
const fileOfKind = new Map(
  registries.flatMap((registry) => {
    const text = read(registry);
    const imported = new Map(
      [...text.matchAll(/^import \{(.*?)\} from "(\..*?)"/gms)].flatMap(([, names, from]) =>
        names!.split(",").map((name) => [name.replace("type ", "").trim(), target(registry, from!)] as const),
      ),
    );
    return [...text.matchAll(/^ {2}(\w+): (.*?),?$/gm)].flatMap(([, kind, factory]) => {
      const name = factory!.match(/\w+/g)?.find((word) => imported.has(word));
      return name === undefined ? [] : [[kind!, imported.get(name)!] as const];
    });
  }),
);

function kindsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "kind" in value && typeof value.kind === "string" ? [value.kind] : [];
  return [...own, ...Object.values(value).flatMap(kindsIn)];
}

test("the registries name a file for every kind that recipes use of them", () => {
  for (const kind of ["group", "gigpo", "prefix_tree", "clip", "reg_grpo", "distill", "elliptical", "unlikeliness"]) {
    assert.ok(fileOfKind.has(kind), kind);
  }
});

for (const name of recipeNames()) {
  const { text, info } = readRecipe(name);

  test(`recipe ${name} names the files of its method, each under 100 lines`, () => {
    for (const path of info.files) assert.ok(linesOf(path) < 100, `${path} has ${linesOf(path)} lines`);
    const chosen = kindsIn(parse(text)).flatMap((kind) => fileOfKind.get(kind) ?? []);
    for (const path of chosen) {
      assert.ok(core.has(path) || info.files.includes(path), `${name} uses ${path} and does not name it`);
    }
  });

  test(`recipe ${name} names what its files alone import`, () => {
    for (const path of info.files.flatMap((file) => importsOf.get(file)!)) {
      if (!path.startsWith("src/algorithms/") || info.files.includes(path) || core.has(path)) continue;
      const others = importersOf(path).filter((from) => !info.files.includes(from));
      assert.notDeepEqual(others, [], `${path} belongs to ${name}, which does not name it`);
    }
  });
}

test("every kind of advantage, objective and reward transform is under 100 lines, in a recipe or not", () => {
  for (const [kind, path] of fileOfKind) {
    if (!core.has(path)) assert.ok(linesOf(path) < 100, `${kind}: ${path} has ${linesOf(path)} lines`);
  }
});
