import { register } from "node:module";
import { pathToFileURL } from "node:url";

/** What an exception of user code looked like, where it can be told. */
export interface ModuleFailure {
  message: string;
  stack?: string;
}

/** Imports a user's JavaScript or TypeScript file; on a Node without type stripping, types are taken off first. */
export async function importUserModule(path: string): Promise<Record<string, unknown>> {
  if (/\.[mc]?ts$/.test(path) && !("typescript" in process.features && process.features.typescript)) {
    register("./strip-types.js", import.meta.url);
  }
  return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
}

/** An exception as it crosses from a worker thread. */
export function describeFailure(thrown: unknown): ModuleFailure {
  if (thrown instanceof Error) {
    return {
      message: `${thrown.name}: ${thrown.message}`,
      ...(thrown.stack === undefined ? {} : { stack: thrown.stack }),
    };
  }
  return { message: `threw ${String(thrown)}` };
}
