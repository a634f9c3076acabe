// What a screen reader is told without being asked.

import { useEffect, useState } from "preact/hooks";

let told: (text: string) => void = () => {};

export const announce = (text: string) => told(text);

/** The text that was announced last. */
export function useAnnouncement() {
  const [text, set] = useState("");
  useEffect(() => {
    // A text that is announced twice has to change in between to be read twice.
    told = (next) => {
      set("");
      setTimeout(() => set(next), 50);
    };
    return () => {
      told = () => {};
    };
  }, []);
  return text;
}
