export * from './audit.ts';
export * from './egress.ts';
export * from './error.ts';
export * from './plugin.ts';
export * from './rule.ts';
