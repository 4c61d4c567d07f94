/** Many questions, some of them the same, and each of them once. */
export interface Distinct<Question> {
  readonly questions: readonly Question[];
  /** For each of those that were put, in order, its place in `questions`. */
  readonly places: readonly number[];
}

/** @param nameOf the same for questions that are the same */
export function distinct<Question>(
  asked: readonly Question[],
  nameOf: (question: Question) => string,
): Distinct<Question> {
  const known = new Map<string, number>();
  const questions: Question[] = [];
  const places = asked.map((question) => {
    const name = nameOf(question);
    const place = known.get(name) ?? questions.push(question) - 1;
    known.set(name, place);
    return place;
  });
  return { questions, places };
}
