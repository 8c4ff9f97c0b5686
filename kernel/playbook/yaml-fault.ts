import type { ErrorCode } from 'yaml';

/** What the YAML library finds wrong, in words: what it is, and how to mend it. Its own messages quote the text. */
export const YAML_FAULTS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*name) carries a tag or an anchor: write the value out',
  BAD_ALIAS: 'an alias or anchor (*name, &name) has no proper name: quote the text, or write the value out',
  BAD_COLLECTION_TYPE: 'a tag (!!map, !!seq) does not fit what follows it: remove the tag',
  BAD_DIRECTIVE: 'a line that begins with % is read as a directive: remove it, or quote the text',
  BAD_DQ_ESCAPE: 'a backslash in double quotes begins no escape: write it twice, or use single quotes',
  BAD_INDENT:
    'the indentation does not fit, or a [ or { is not closed: align the keys of a mapping, and the items of a list, in one column',
  BAD_PROP_ORDER: 'an anchor or tag stands behind its value: remove it',
  BAD_SCALAR_START: 'a plain text cannot begin with this character (@, `, %, | or >): put the text in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping begins on the line of another key: put it on a line of its own, indented, or quote the text with the colon',
  BLOCK_IN_FLOW: 'a list or mapping in indented form stands inside { } or [ ]: write it with brackets too',
  DUPLICATE_KEY: 'the key stands twice in one mapping; remove one',
  IMPOSSIBLE: 'the text cannot be read here: write it more simply',
  KEY_OVER_1024_CHARS: 'the key has more than 1024 characters: a colon may be missing before, or quotes around a text',
  MISSING_CHAR:
    'a character is missing: close every quote, { and [, put a comma between items in brackets, and a colon and a blank behind a key',
  MULTILINE_IMPLICIT_KEY:
    'the indentation of this line or the next does not fit, or a key goes over more than one line: align the keys of a mapping in one column, and put a colon and a blank behind each',
  MULTIPLE_ANCHORS: 'a value has more than one anchor (&name): remove them',
  MULTIPLE_DOCS: 'a second document begins (---): a file holds one playbook; put the other into a file of its own',
  MULTIPLE_TAGS: 'a value has more than one tag (!name): remove them',
  NON_STRING_KEY: 'a key is not a text: put it in quotes',
  RESOURCE_EXHAUSTION: 'the document is nested too deep: write it flatter',
  TAB_AS_INDENT: 'a tab stands where the line is indented: use blanks',
  TAG_RESOLVE_FAILED: 'a tag (!name) is not known: remove it, or quote the text if it begins with !',
  UNEXPECTED_TOKEN:
    'something stands where nothing can: a quote, bracket or comma too many, or a text that needs quotes',
};
