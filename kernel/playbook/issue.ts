/** One thing wrong with a playbook: where (JSON Pointer into the document, line of the text), and how to mend it. */
export type Issue = { readonly at: string; readonly line: number | null; readonly text: string };

/** A key as it may be said: only when it reads like one, as anything else in its place may be what must not be repeated. */
export const legibleKey = (key: string | number): string =>
  /^[A-Za-z_][\w-]{0,62}$|^[0-9]{1,4}$/.test(String(key)) ? String(key) : '?';

/** An issue before its line is known. */
export type Unplaced = Omit<Issue, 'line'>;
