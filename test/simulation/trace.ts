/** What happened, in lines that a person can read: long ids get short names, and time counts from the beginning. */
export type Trace = {
  say(text: string): void;
  /** `run_018f...` is `r1` from its first mention on. */
  name(id: string): string;
  lines(): readonly string[];
};

export function openTrace(elapsed: () => number): Trace {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();
  const lines: string[] = [];
  return {
    say: (text) => void lines.push(`${clockText(elapsed()).padStart(14)}  ${text}`),
    name(id) {
      const known = names.get(id);
      if (known) return known;
      const letter = id.slice(0, 1);
      const count = (counts.get(letter) ?? 0) + 1;
      counts.set(letter, count);
      names.set(id, `${letter}${count}`);
      return `${letter}${count}`;
    },
    lines: () => lines,
  };
}

function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const two = (value: number) => String(value).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${two(Math.floor(seconds / 3_600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${days > 0 ? `${days}d ` : ''}${clock}.${String(Math.floor(ms) % 1_000).padStart(3, '0')}`;
}

/** Lines of a story at most: the last ones, because a cause is close to its effect. */
const STORY = 60;

/** The lines that matter for `text`: those about the runs that it names, and what happened to the kernel. */
export function story(lines: readonly string[], text: string): string {
  const runs = [...text.matchAll(/\br[0-9]+\b/g)].map(([name]) => new RegExp(`\\b${name}\\b`));
  const told = lines.filter(
    (line) =>
      runs.length === 0 || runs.some((run) => run.test(line)) || / {2}(?:kernel|the clock|troubles|BROKEN)/.test(line),
  );
  const kept = told.slice(-STORY);
  return [...(told.length > kept.length ? [`... ${told.length - kept.length} lines before`] : []), ...kept].join('\n');
}
