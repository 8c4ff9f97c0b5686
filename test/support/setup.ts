import { prepareCells } from '../../kernel/prepare.ts';
import { prepareAll } from '../../sdk/build/prepare.ts';

/** Tests use the sealed plugins of this checkout: they are built once, before the first test. */
export default async function setup(): Promise<void> {
  if (!process.version.startsWith('v26.'))
    throw new Error(`the tests run on Node 26, not ${process.version}: start them with npm test, which brings its own`);
  await prepareAll();
  await prepareCells();
}
