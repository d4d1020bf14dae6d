// Reward of the story_cheer task: how many different cheerful words occur in a completion, as a share of three.
const cheerful = ["happy", "smiled", "friends", "fun", "love", "laughed"];

export default (samples) =>
  samples.map(({ completion }) => {
    const words = new Set(completion.toLowerCase().match(/[a-z]+/g));
    return Math.min(1, cheerful.filter((word) => words.has(word)).length / 3);
  });
