import { HTTP_IMPORT, type ModuleFacts } from '../../sdk/contract/may.ts';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';

/**
 * Whether the manifest says less than the module asks for: whoever reviews the manifest would be told too little. What a
 * module imports counts.
 *
 * Modules that our own build sealed all have the same imports, because they are one program with another memory. For
 * those the broker holds them to the manifest: without `http` nothing that they ask for is sent.
 * @returns what is wrong and how to mend it, or undefined.
 */
export const faultOfClaims = (
  { capabilities }: Pick<PluginManifest, 'capabilities'>,
  { imports }: Pick<ModuleFacts, 'imports'>,
  sealed: boolean,
): string | undefined =>
  imports.includes(HTTP_IMPORT) && !capabilities.http && !sealed
    ? `its module imports ${HTTP_IMPORT}, and its manifest says that it sends nothing; say "http": true under capabilities, or build it without`
    : undefined;
