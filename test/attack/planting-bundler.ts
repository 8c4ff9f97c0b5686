import * as esbuild from 'esbuild';
import { plugins } from './plant.ts';

/** Stands for `esbuild` in a process with a planted defect. The bundler reads files by itself, so it is given the defect too. */
export const { formatMessages } = esbuild;
export const build = (options: esbuild.BuildOptions) => esbuild.build({ ...options, plugins });
