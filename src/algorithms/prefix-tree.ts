import { mean } from "./statistics.js";

/** What the tree of prefixes says of each sequence, at every prefix length from 0 to its own length. */
export interface PrefixTree {
  /** Mean value of the sequences that share the prefix. */
  means: Float64Array[];
  /** How many share it; where this falls, sequences branch or end. */
  counts: Int32Array[];
  /** Number of distinct prefixes, the empty one included. */
  nodes: number;
}

/** The tree of the prefixes of sequences with one value each, in time linear in their lengths. */
export function prefixTree(sequences: readonly Int32Array[], values: readonly number[]): PrefixTree {
  const means = sequences.map(({ length }) => new Float64Array(length + 1));
  const counts = sequences.map(({ length }) => new Int32Array(length + 1));
  let nodes = 0;
  const open = [{ members: [...sequences.keys()], depth: 0 }];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const { members, depth } = node;
    const value = mean(members.map((i) => values[i]!));
    if (members.length === 1) {
      const only = members[0]!;
      means[only]!.fill(value, depth);
      counts[only]!.fill(1, depth);
      nodes += means[only]!.length - depth;
      continue;
    }
    nodes += 1;
    const children = new Map<number, number[]>();
    for (const i of members) {
      means[i]![depth] = value;
      counts[i]![depth] = members.length;
      if (depth === sequences[i]!.length) continue;
      const token = sequences[i]![depth]!;
      const child = children.get(token);
      if (child === undefined) children.set(token, [i]);
      else child.push(i);
    }
    for (const child of children.values()) open.push({ members: child, depth: depth + 1 });
  }
  return { means, counts, nodes };
}
