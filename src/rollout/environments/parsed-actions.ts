import type { Environment } from "../environment.js";
import { parseSearchAction, parseTextAction, type TextAction } from "./text-action.js";

/**
 * An environment whose actions stand in `<action>` tags after a thought (GiGPO, arXiv 2505.10978, appendix): what is between the tags
 * is its action; a text without them, or without a thought, is not valid, whatever the environment makes of it.
 *
 * @param tail characters from the end of a text without tags that are the action all the same
 */
export function taggedActions(environment: Environment, tail: number): Environment {
  return {
    ...parsedActions(environment, (text) => parseTextAction(text, tail)),
    stop: ["</action>"],
    cut(text) {
      const at = text.indexOf("</action>");
      return at < 0 ? text : text.slice(0, at + "</action>".length);
    },
  };
}

/** A search environment as GiGPO reads it: an action that opens both kinds of tags, or one twice, is not valid. */
export function singleSearchActions(environment: Environment): Environment {
  return parsedActions(environment, parseSearchAction);
}

function parsedActions(environment: Environment, parse: (text: string) => TextAction): Environment {
  return {
    ...environment,
    async start(task, count) {
      const runs = await environment.start(task, count);
      return runs.map((run) => ({
        ...(run.anchor !== undefined && { anchor: run.anchor }),
        async step(text, final) {
          const { action, valid } = parse(text);
          const result = await run.step(action, final);
          return { ...result, valid: valid && result.valid !== false, meta: { ...result.meta, action } };
        },
      }));
    },
  };
}
