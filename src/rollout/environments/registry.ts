import type { EnvironmentConfig } from "../../config/schema/environment.js";
import type { Environment } from "../environment.js";
import { Bm25Index } from "./bm25.js";
import { readCorpus } from "./corpus.js";
import { gridWorldEnvironment } from "./grid-world.js";
import { httpRetriever } from "./http-retriever.js";
import { moduleEnvironment } from "./module-environment.js";
import { searchEnvironment } from "./search.js";

/** The environment a configuration asks for. */
export async function makeEnvironment(config: EnvironmentConfig, seed: number): Promise<Environment> {
  switch (config.kind) {
    case "search": {
      const { corpus, url, topk, timeout_s } = config;
      const retriever =
        corpus === undefined ? httpRetriever(url!, topk, timeout_s) : new Bm25Index(await readCorpus(corpus), topk);
      return searchEnvironment(retriever, topk);
    }
    case "grid_world":
      return gridWorldEnvironment(config);
    case "module":
      return moduleEnvironment(config.module, config.timeout_s, seed);
  }
}
