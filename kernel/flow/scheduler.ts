/**
 * When something is done later. The flow asks the process for it here alone (long work that lets others go first aside), so
 * that a simulation can put its own time and order in its place. What time it is says the clock, which may be set; what
 * is here never runs backwards.
 */
export type Scheduler = {
  /** Milliseconds since some instant. */
  elapsed(): number;
  /** How long the event loop has worked and rested, in milliseconds since some instant. */
  worked(): { readonly workMs: number; readonly restMs: number };
  /** Once, when everything that is ready now has had its turn. */
  soon(task: () => void): void;
  /** Once, in `ms` milliseconds. @returns what takes it back. */
  after(ms: number, task: () => void): () => void;
  /** Again and again. @returns what ends it. */
  every(ms: number, task: () => void): () => void;
};

/** Between two parts of long work: whoever waits goes first. */
export const othersFirst = (scheduler: Pick<Scheduler, 'soon'>): Promise<void> =>
  new Promise((resolve) => scheduler.soon(resolve));

export const processScheduler: Scheduler = {
  elapsed: () => performance.now(),
  worked() {
    const { active, idle } = performance.eventLoopUtilization();
    return { workMs: active, restMs: idle };
  },
  soon: (task) => void setImmediate(task),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  every(ms, task) {
    const timer = setInterval(task, ms);
    return () => clearInterval(timer);
  },
};
