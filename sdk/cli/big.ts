/**
 * A name in letters three lines high, so that whoever decides for an org sees which one it is. Each glyph is five rows
 * of three dots; two rows share a line of half blocks.
 */
const GLYPHS: Readonly<Record<string, string>> = {
  a: '.#. #.# ### #.# #.#',
  b: '##. #.# ##. #.# ##.',
  c: '.## #.. #.. #.. .##',
  d: '##. #.# #.# #.# ##.',
  e: '### #.. ##. #.. ###',
  f: '### #.. ##. #.. #..',
  g: '.## #.. #.# #.# .##',
  h: '#.# #.# ### #.# #.#',
  i: '### .#. .#. .#. ###',
  j: '..# ..# ..# #.# .#.',
  k: '#.# #.# ##. #.# #.#',
  l: '#.. #.. #.. #.. ###',
  m: '#.# ### ### #.# #.#',
  n: '##. #.# #.# #.# #.#',
  o: '.#. #.# #.# #.# .#.',
  p: '##. #.# ##. #.. #..',
  q: '.#. #.# #.# ### .##',
  r: '##. #.# ##. #.# #.#',
  s: '.## #.. .#. ..# ##.',
  t: '### .#. .#. .#. .#.',
  u: '#.# #.# #.# #.# ###',
  v: '#.# #.# #.# #.# .#.',
  w: '#.# #.# ### ### #.#',
  x: '#.# #.# .#. #.# #.#',
  y: '#.# #.# .#. .#. .#.',
  z: '### ..# .#. #.. ###',
  '0': '### #.# #.# #.# ###',
  '1': '.#. ##. .#. .#. ###',
  '2': '##. ..# .#. #.. ###',
  '3': '##. ..# .#. ..# ##.',
  '4': '#.# #.# ### ..# ..#',
  '5': '### #.. ##. ..# ##.',
  '6': '.## #.. ### #.# ###',
  '7': '### ..# .#. .#. .#.',
  '8': '### #.# ### #.# ###',
  '9': '### #.# ### ..# ##.',
  '-': '... ... ### ... ...',
};

const BLOCKS = [' ', '▄', '▀', '█'] as const;
const GLYPH_COLUMNS = 4;

/**
 * @param name in the grammar of names: lower-case letters, digits, hyphens.
 * @param columns width of the terminal; where the letters do not fit, capitals set apart stand for them.
 */
export function inLargeLetters(name: string, columns: number): string {
  const glyphs = Array.from(name, (char) => (Object.hasOwn(GLYPHS, char) ? GLYPHS[char] : undefined));
  if (name.length * GLYPH_COLUMNS > columns || glyphs.includes(undefined))
    return name.toUpperCase().split('').join(' ');
  const lines = [0, 2, 4].map((row) =>
    glyphs
      .map((glyph) => lineOf((glyph ?? '').split(' '), row))
      .join(' ')
      .trimEnd(),
  );
  return lines.join('\n');
}

const lineOf = (rows: readonly string[], row: number): string =>
  [0, 1, 2].map((at) => BLOCKS[(rows[row]?.[at] === '#' ? 2 : 0) + (rows[row + 1]?.[at] === '#' ? 1 : 0)]).join('');
