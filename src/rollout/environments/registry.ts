import type { EnvironmentConfig } from "../../config/schema/environment.js";
import type { Environment } from "../environment.js";
import { Bm25Index } from "./bm25.js";
import { readCorpus } from "./corpus.js";
import { gridWorldEnvironment } from "./grid-world.js";
import { httpRetriever } from "./http-retriever.js";
import { moduleEnvironment } from "./module-environment.js";
import { singleSearchActions, taggedActions } from "./parsed-actions.js";
import { searchEnvironment } from "./search.js";

/** The environment a configuration asks for. */
export async function makeEnvironment(config: EnvironmentConfig, seed: number): Promise<Environment> {
  switch (config.kind) {
    case "search": {
      const { corpus, url, topk, timeout_s } = config;
      const retriever =
        corpus === undefined ? httpRetriever(url!, topk, timeout_s) : new Bm25Index(await readCorpus(corpus), topk);
      const environment = searchEnvironment(retriever, topk);
      return config.actions === "single" ? singleSearchActions(environment) : environment;
    }
    case "grid_world":
      return acting(gridWorldEnvironment(config), config);
    case "module":
      return acting(await moduleEnvironment(config.module, config.timeout_s, seed), config);
  }
}

function acting(environment: Environment, { actions }: { actions: "text" | { tags: { tail: number } } }): Environment {
  return actions === "text" ? environment : taggedActions(environment, actions.tags.tail);
}
