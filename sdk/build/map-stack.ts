import { SourceMap, type SourceMapPayload } from 'node:module';

/**
 * Replaces places in the sealed script (`plugin.js:12:5`) by places in the source (`plugin.ts:9:17`).
 * A place that the map does not know stays as it is.
 *
 * @param stack     Any text with stack frames in it.
 * @param sourceMap JSON text of the source map that lies in the sealed module.
 */
export function mapStack(stack: string, sourceMap: string): string {
  const map = new SourceMap(JSON.parse(sourceMap) as SourceMapPayload);
  return stack.replaceAll(/\bplugin\.js:(\d+):(\d+)/g, (place, line: string, column: string) => {
    // Frames count from 1, source maps from 0.
    const found = map.findEntry(Number(line) - 1, Number(column) - 1);
    return 'originalSource' in found
      ? `${found.originalSource}:${found.originalLine + 1}:${found.originalColumn + 1}`
      : place;
  });
}

/** The source map in a sealed module; undefined when it has none. */
export function sourceMapOf(module: WebAssembly.Module): string | undefined {
  const [section] = WebAssembly.Module.customSections(module, SOURCE_MAP_SECTION);
  return section && new TextDecoder().decode(section);
}

export const SOURCE_MAP_SECTION = 'interlock:sourcemap';
export { MANIFEST_SECTION } from '../contract/plugin.ts';
