import { outcome, trainedGroups } from "../rows.js";
import { mean } from "../statistics.js";
import { addMean } from "../tally.js";
import { RandomStream, type RandomWords, type RewardShaper, type Row } from "../types.js";

/**
 * RED-Drop (arXiv 2509.24203, section 5): where more rows of a group lie below its mean reward than not, the surplus, drawn
 * at random, loses its reward (NaN), which takes it out of the group's statistics and gives it advantage 0.
 */
export function balanceShaper(): RewardShaper {
  return {
    needs: {},
    shape: (rows, log, random) => {
      if (random === undefined) throw new Error("balance draws at random and needs random words");
      for (const members of trainedGroups(rows)) {
        const dropped = surplus(members, rows, random);
        for (const i of dropped) rows[i]!.reward = Number.NaN;
        addMean(log, "balance/dropped", dropped.length, members.length);
      }
    },
  };
}

/** As many random members below the mean as there are more of them than others; ordered by their random words. */
function surplus(members: readonly number[], rows: readonly Row[], random: RandomWords): number[] {
  const rewards = members.map((i) => outcome(rows[i]!));
  const center = mean(rewards);
  const below = members.flatMap((i, k) => (rewards[k]! < center ? [{ i, k }] : []));
  const above = rewards.filter((reward) => reward >= center).length;
  const word = ({ i, k }: { i: number; k: number }) => random(RandomStream.balance, rows[i]!.group, k);
  return below
    .map((member) => ({ i: member.i, word: word(member) }))
    .sort((a, b) => a.word - b.word)
    .slice(0, Math.max(below.length - above, 0))
    .map(({ i }) => i);
}
