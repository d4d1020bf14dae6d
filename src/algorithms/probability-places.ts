/** Place of each score when sorted from the largest, counted from 0; of equal scores the later comes first. */
export function placesByProbability(scores: ArrayLike<number>): number[] {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || b - a);
  const places = new Array<number>(order.length);
  order.forEach((i, place) => {
    places[i] = place;
  });
  return places;
}
