import * as z from "zod";

/** A path on disk. The loader makes it absolute, relative to the file that holds it. */
export function pathString() {
  return z.string().min(1).meta({ path: true });
}

/** The `kind` of a union's default member: may be left out of the file. */
export function defaultKind<Kind extends string>(kind: Kind) {
  return z.literal(kind).optional().default(kind);
}

/** A regular expression of JavaScript with the flags `s` and `u`. */
export const regularExpression = z.string().superRefine((source, context) => {
  try {
    new RegExp(source, "su");
  } catch (cause) {
    context.addIssue({ code: "custom", message: `not a regular expression: ${(cause as Error).message}` });
  }
});
