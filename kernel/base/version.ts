import manifest from '../../package.json' with { type: 'json' };

/** Of the product: what a run is pinned to, beside its policies and plugins. */
export const KERNEL_VERSION: string = manifest.version;
