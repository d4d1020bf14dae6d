/** One action of a multi-turn response, and what the environment added after it. Together the turns are the response's text. */
export interface Turn {
  action: string;
  /** Text appended after the action; "" where nothing was. */
  observation: string;
}

/** The turns of a rollout, from its trace; null where it had no environment. */
export function turnsOf(trace: Readonly<Record<string, unknown>>): readonly Turn[] | null {
  return (trace.turns as readonly Turn[] | undefined) ?? null;
}

/** What the policy wrote, as runs of text that no observation interrupts, in order. */
export function policyTexts(turns: readonly Turn[]): string[] {
  const texts: string[] = [];
  let open = false;
  for (const { action, observation } of turns) {
    if (open) texts.push(texts.pop()! + action);
    else texts.push(action);
    open = observation === "";
  }
  return texts;
}
