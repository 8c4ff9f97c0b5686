/**
 * Reads the regular part of a regular expression of JavaScript (flag `u`): characters and classes of them, groups that
 * capture or not, alternatives, repetition. What is not regular, or asserts something about its surroundings, is not read.
 */

/** Code points from the first to the last of each. */
export type CharSet = readonly (readonly [first: number, last: number])[];

export type Part =
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Part[] }
  | { readonly kind: 'repeat'; readonly part: Part; readonly min: number; readonly max: number };

const LAST = 0x10_ffff;
const code = (character: string): number => character.codePointAt(0) ?? 0;
const among = (text: string): CharSet => [...text].map((one) => [code(one), code(one)]);

const DIGITS: CharSet = [[code('0'), code('9')]];
const WORD: CharSet = [...DIGITS, [code('a'), code('z')], [code('A'), code('Z')], ...among('_')];
const SPACE: CharSet = [
  [0x09, 0x0d],
  [0x2000, 0x200a],
  ...among('\u0020\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'),
];
const LINE_ENDS = among('\n\r\u2028\u2029');
const CLASSES: Readonly<Record<string, CharSet>> = { d: DIGITS, w: WORD, s: SPACE };
const CONTROLS: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, 0: 0 };

function except(set: CharSet): CharSet {
  const left: [number, number][] = [];
  let from = 0;
  for (const [first, last] of set.toSorted(([a], [b]) => a - b)) {
    if (first > from) left.push([from, first - 1]);
    from = Math.max(from, last + 1);
  }
  return from > LAST ? left : [...left, [from, LAST]];
}

export const overlaps = (one: CharSet, other: CharSet): boolean =>
  one.some(([first, last]) => other.some(([from, to]) => first <= to && from <= last));

class NotRead extends Error {}

/**
 * @param text is an expression that the engine takes; begins with `^`.
 * @returns what stands behind the `^` and before a `$` at the end; undefined where it has something that is not read.
 */
export function readPattern(text: string): Part | undefined {
  const characters = [...text];
  let at = 1;
  const end = characters.at(-1) === '$' && characters.at(-2) !== '\\' ? characters.length - 1 : characters.length;
  const next = () => (at < end ? characters[at] : undefined);
  const take = (): string => {
    const taken = next();
    if (taken === undefined) throw new NotRead();
    at += 1;
    return taken;
  };
  const taken = (text: string): boolean => {
    if (!characters.slice(at, end).join('').startsWith(text)) return false;
    at += text.length;
    return true;
  };
  const digits = (count: number): number => {
    const hex = Array.from({ length: count }, take).join('');
    if (!/^[0-9a-f]+$/i.test(hex)) throw new NotRead();
    const value = Number.parseInt(hex, 16);
    // Half of a character: two of them in a row are one.
    if (value >= 0xd800 && value <= 0xdfff) throw new NotRead();
    return value;
  };

  /** Behind a backslash. */
  function escaped(): CharSet | number {
    const letter = take();
    const set = CLASSES[letter.toLowerCase()];
    if (set) return letter === letter.toLowerCase() ? set : except(set);
    if (letter in CONTROLS) return CONTROLS[letter] as number;
    if (letter === 'x') return digits(2);
    if (letter === 'u' && next() !== '{') return digits(4);
    // A reference to a group, an edge of a word, a property of characters.
    if (/[0-9a-z]/i.test(letter)) throw new NotRead();
    return code(letter);
  }

  function classed(): CharSet {
    const isNegated = taken('^');
    const set: (readonly [number, number])[] = [];
    const one = () => (taken('\\') ? escaped() : code(take()));
    while (!taken(']')) {
      const first = one();
      if (typeof first !== 'number') set.push(...first);
      else if (next() === '-' && characters[at + 1] !== ']') {
        at += 1;
        const last = one();
        if (typeof last !== 'number') throw new NotRead();
        set.push([first, last]);
      } else set.push([first, first]);
    }
    return isNegated ? except(set) : set;
  }

  function atom(): Part {
    const character = take();
    if (character === '(') {
      if (!taken('?:') && next() === '?') throw new NotRead();
      const inside = choice();
      if (!taken(')')) throw new NotRead();
      return inside;
    }
    if (character === '[') return { kind: 'char', set: classed() };
    if (character === '.') return { kind: 'char', set: except(LINE_ENDS) };
    if (character === '^' || character === '$') throw new NotRead();
    const one = character === '\\' ? escaped() : code(character);
    return { kind: 'char', set: typeof one === 'number' ? [[one, one]] : one };
  }

  function counts(): readonly [min: number, max: number] | undefined {
    if (taken('*')) return [0, Infinity];
    if (taken('+')) return [1, Infinity];
    if (taken('?')) return [0, 1];
    if (!taken('{')) return undefined;
    let text = '';
    while (!taken('}')) text += take();
    const [min = '', max = min] = text.split(',');
    return [Number(min), max === '' ? Infinity : Number(max)];
  }

  function sequence(): Part {
    const parts: Part[] = [];
    for (let character = next(); character !== undefined && !'|)'.includes(character); character = next()) {
      const part = atom();
      const times = counts();
      // Lazy or not makes no difference to whether it matches.
      if (times) taken('?');
      parts.push(times ? { kind: 'repeat', part, min: times[0], max: times[1] } : part);
    }
    return { kind: 'sequence', parts };
  }

  function choice(): Part {
    const parts = [sequence()];
    while (taken('|')) parts.push(sequence());
    return parts.length === 1 ? (parts[0] as Part) : { kind: 'choice', parts };
  }

  try {
    // Of `^a|b` only one side is held to the beginning.
    const whole = sequence();
    return at === end ? whole : undefined;
  } catch (fault) {
    if (fault instanceof NotRead) return undefined;
    throw fault;
  }
}
