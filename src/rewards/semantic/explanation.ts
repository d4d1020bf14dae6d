/** Where the explanation of a completion stands. */
export interface ExplanationMarks {
  /** Tag around the explanation. */
  tag: string;
  /** Tag around the final answer. */
  answer_tag: string;
}

/**
 * The explanation in a completion: the text inside its tag, else everything but the answer. Thoughts (`<think>`) are left out
 * first: an encoder must not compare them with a reference.
 *
 * @returns trimmed; "" where there is none
 */
export function explanationOf(completion: string, { tag, answer_tag }: ExplanationMarks): string {
  const spoken = completion.replace(block("think"), "");
  const tagged = block(tag).exec(spoken);
  return (tagged?.[1] ?? spoken.replace(block(answer_tag), "")).trim();
}

function block(tag: string): RegExp {
  return new RegExp(`<${tag}>(.*?)</${tag}>`, "s");
}
