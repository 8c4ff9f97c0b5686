import { type CharSet, overlaps, type Part, readPattern } from './pattern-syntax.ts';

/**
 * Whether a regular expression that somebody else wrote may run where nothing else runs meanwhile: the engine tries one way
 * after the other, and there can be more of them than anybody waits for (`^(a+)+$`). So at each character of a text there
 * may be one way to go on, and what is left to try afterwards fails at once: then it looks at each character once.
 *
 * An expression is unrolled to its places (each character or class that it has, as often as it is counted), and for each
 * place to those that may come next (Glushkov's automaton). No two of them may take the same character, and no two ways may
 * lead to the same one.
 */
const CHARS_MAX = 256;
const PLACES_MAX = 256;

const AMBIGUOUS =
  'leaves open how a text is matched, such as (a+)+ or a*a: let each next character decide, or check it in the plugin';

/** @returns what is wrong with it, as the end of a sentence; undefined where nothing is. */
export function faultOfPattern(text: string): string | undefined {
  if (text.length > CHARS_MAX) return `has more than ${CHARS_MAX} characters`;
  try {
    new RegExp(text, 'u');
  } catch {
    return 'is no regular expression of JavaScript with the flag u';
  }
  if (!text.startsWith('^')) return 'is looked for at every place of a text: begin it with ^';
  const part = readPattern(text);
  if (!part) return 'has what is not admitted: look-around, \\b, \\p, references, flags, or | outside of a group';
  return new Places().judge(part);
}

/** Of a part: whether it takes an empty text, and the places where it may begin and end. */
type Ends = { readonly isEmpty: boolean; readonly first: readonly number[]; readonly last: readonly number[] };
const NOTHING: Ends = { isEmpty: true, first: [], last: [] };

class Refused extends Error {}

class Places {
  readonly #sets: CharSet[] = [];
  readonly #next: Set<number>[] = [];

  judge(part: Part): string | undefined {
    try {
      this.#decide(this.#unroll(part).first);
      for (const next of this.#next) this.#decide([...next]);
      return undefined;
    } catch (fault) {
      if (fault instanceof Refused) return fault.message;
      throw fault;
    }
  }

  /** No two of these places take the same character. */
  #decide(places: readonly number[]): void {
    places.forEach((place, i) => {
      const set = this.#sets[place] ?? [];
      if (places.slice(i + 1).some((other) => overlaps(set, this.#sets[other] ?? []))) throw new Refused(AMBIGUOUS);
    });
  }

  #unroll(part: Part): Ends {
    switch (part.kind) {
      case 'char':
        return this.#place(part.set);
      case 'sequence':
        return part.parts.reduce<Ends>((before, one) => this.#join(before, this.#unroll(one)), NOTHING);
      case 'choice':
        return this.#choose(part.parts.map((one) => this.#unroll(one)));
      case 'repeat':
        return this.#repeat(part);
    }
  }

  #place(set: CharSet): Ends {
    const place = this.#sets.push(set) - 1;
    if (place >= PLACES_MAX) throw new Refused(`comes to more than ${PLACES_MAX} characters where all is counted out`);
    this.#next.push(new Set());
    return { isEmpty: false, first: [place], last: [place] };
  }

  #lead(from: readonly number[], to: readonly number[]): void {
    for (const place of from) {
      const next = this.#next[place];
      for (const other of to) {
        if (next?.has(other)) throw new Refused(AMBIGUOUS);
        next?.add(other);
      }
    }
  }

  #join(a: Ends, b: Ends): Ends {
    this.#lead(a.last, b.first);
    return {
      isEmpty: a.isEmpty && b.isEmpty,
      first: a.isEmpty ? [...a.first, ...b.first] : a.first,
      last: b.isEmpty ? [...a.last, ...b.last] : b.last,
    };
  }

  #choose(ways: readonly Ends[]): Ends {
    if (ways.filter(({ isEmpty }) => isEmpty).length > 1) throw new Refused(AMBIGUOUS);
    return {
      isEmpty: ways.some(({ isEmpty }) => isEmpty),
      first: ways.flatMap(({ first }) => first),
      last: ways.flatMap(({ last }) => last),
    };
  }

  /** `x{2,4}` as `xx(x(x)?)?`, `x{2,}` as `xxx*`. */
  #repeat({ part, min, max }: Extract<Part, { kind: 'repeat' }>): Ends {
    let whole = NOTHING;
    for (let times = 0; times < min; times++) whole = this.#join(whole, this.#once(part));
    if (max === Infinity) {
      const again = this.#once(part);
      this.#lead(again.last, again.first);
      return this.#join(whole, { ...again, isEmpty: true });
    }
    let rest = NOTHING;
    for (let times = min; times < max; times++) rest = { ...this.#join(this.#once(part), rest), isEmpty: true };
    return this.#join(whole, rest);
  }

  /** What takes an empty text takes it in more ways than one where it is repeated. */
  #once(part: Part): Ends {
    const once = this.#unroll(part);
    if (once.isEmpty) throw new Refused(AMBIGUOUS);
    return once;
  }
}
