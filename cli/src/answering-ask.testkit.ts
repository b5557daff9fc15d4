import type { Ask } from "./ask.ts";

/** A person who answers each question alike; `questions` keeps what was asked. */
export function answeringAsk(answer: string): Ask & { questions: string[] } {
  const questions: string[] = [];
  const note = (question: string): void => {
    questions.push(question);
  };
  return {
    questions,
    possible: true,
    confirm: async (question) => {
      note(question);
      return answer === "yes";
    },
    typed: async (question, word) => {
      note(`${question} ${word}`);
      return answer === word;
    },
    secret: async (question) => {
      note(question);
      return answer;
    },
  };
}
