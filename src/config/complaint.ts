import { type ConfigNode, nodeAt, type Origin, type Path } from "./node.js";
import type { Problem } from "./problems.js";

/** A mistake with the place where it was written. */
export interface Complaint {
  origin: Origin;
  text: string;
}

/** A tree in which problems are looked up; `own` is the part of it that a stage wrote, and where that stands. */
export interface Written {
  tree: ConfigNode;
  own?: { tree: ConfigNode; path: Path };
}

/** A problem as a line `file:line:column: key: message`, placed at the key or value that was written nearest to it. */
export function complain(problem: Problem, { tree, own }: Written): Complaint {
  let depth = problem.path.length;
  let node = nodeAt(tree, problem.path);
  while (node === undefined) node = nodeAt(tree, problem.path.slice(0, --depth));
  const byKey = problem.key === true || depth < problem.path.length;
  const { origin } = node;
  const place = byKey ? (origin.key ?? origin.value) : (origin.value ?? origin.key);
  const path = own !== undefined && isOwn(own.tree, node) ? [...own.path, ...problem.path] : problem.path;
  const where = place === undefined ? origin.source : `${origin.source}:${place.line}:${place.column}`;
  return {
    origin: { ...origin, ...(place && { value: place }) },
    text: `${where}: ${path.map(String).join(".")}: ${problem.message}`,
  };
}

/** Whether `node` was written in the stage itself. */
function isOwn(own: ConfigNode, node: ConfigNode): boolean {
  if (own.origin === node.origin) return true;
  const children = own.value instanceof Map ? [...own.value.values()] : Array.isArray(own.value) ? own.value : [];
  return children.some((child) => isOwn(child, node));
}

/** The lines of all complaints, each once, in the order of their places. */
export function sortComplaints(complaints: readonly Complaint[]): string[] {
  const rank = ({ origin }: Complaint) => [origin.layer, origin.value?.line ?? 0, origin.value?.column ?? 0] as const;
  const sorted = [...complaints].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  });
  return [...new Set(sorted.map(({ text }) => text))];
}
