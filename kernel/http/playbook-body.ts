import { PlaybookForm } from '../../sdk/contract/api.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok } from '../base/result.ts';
import { isJsonMediaType, parseMediaType } from '../trigger/media-type.ts';
import { problem } from './answer.ts';
import { BODY_PROBLEMS, readBytes, readJson } from './body.ts';
import type { BodyReader } from './route.ts';

const YAML = ['text/yaml', 'application/yaml', 'application/x-yaml'] as const;
const YAML_TEXT = { type: 'string', description: 'The playbook as YAML 1.2, or JSON, in UTF-8.' };

/** The text of a playbook, bare or in JSON. */
export const playbookText: BodyReader<string> = {
  content: { 'application/yaml': YAML_TEXT, 'text/yaml': YAML_TEXT, 'application/json': PlaybookForm },
  problems: [...BODY_PROBLEMS, 'invalid-body'],
  async read({ context }) {
    const contentType = context.req.header('content-type') ?? '';
    const type = parseMediaType(contentType);
    if (type?.isUtf8 && YAML.some((yaml) => yaml === type.essence)) {
      const bytes = await readBytes(context, LIMITS.playbookBytes.value);
      if (!bytes.ok) return bytes;
      try {
        return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes.value));
      } catch {
        return err(problem('malformed-body', { detail: 'The body is not UTF-8 text.' }));
      }
    }
    if (!isJsonMediaType(contentType))
      return err(
        problem('unsupported-media-type', { detail: `Set Content-Type to ${YAML[1]}, or to application/json.` }),
      );
    const read = await readJson(context, PlaybookForm, LIMITS.bodyBytes.value);
    return read.ok ? ok(read.value.text) : read;
  },
};
