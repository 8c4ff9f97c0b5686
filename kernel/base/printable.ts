/** Foreign text made safe to store and to show: one line without control characters, of at most so many characters. */
export const printable = (text: string, most: number): string =>
  text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}]+/gu, ' ')
    .trim()
    .slice(0, most);
