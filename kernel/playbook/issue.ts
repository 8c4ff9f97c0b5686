/** One thing wrong with a playbook: where (JSON Pointer into the document, line of the text), and how to mend it. */
export type Issue = { readonly at: string; readonly line: number | null; readonly text: string };

/** An issue before its line is known. */
export type Unplaced = Omit<Issue, 'line'>;
