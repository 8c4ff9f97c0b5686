import type { Json } from './json.ts';

/**
 * JSON text of a value, for someone to look at: whole, or cut after `chars` and then `…`. It costs no more than what is
 * shown, but for the names of an object, which are all looked up: keep what was said of one that is asked for often.
 */
export function excerptOf(value: Json, chars: number): string {
  let text = '';
  const write = (part: Json): void => {
    if (typeof part === 'string') text += JSON.stringify(part.slice(0, chars + 1));
    else if (typeof part !== 'object' || part === null) text += JSON.stringify(part);
    else if (Array.isArray(part)) writeAll('[', part, ']', write);
    else
      writeAll('{', Object.keys(part), '}', (name) => {
        write(name);
        text += ':';
        write((part as Readonly<Record<string, Json>>)[name] ?? null);
      });
  };
  const writeAll = <T>(open: string, items: readonly T[], close: string, one: (item: T) => void): void => {
    text += open;
    for (const [index, item] of items.entries()) {
      // What is beyond would be cut off again.
      if (text.length > chars) return;
      if (index > 0) text += ',';
      one(item);
    }
    text += close;
  };
  write(value);
  return text.length <= chars ? text : `${text.slice(0, chars).toWellFormed()}…`;
}
