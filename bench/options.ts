import { parseArgs } from 'node:util';
import { STAGES, type StageName } from './figure.ts';
import { STUB_FAULTS } from './stub.ts';

/** Of the stub, and of the triggers: one of them is not there. */
const FAULTS = [...STUB_FAULTS, 'trigger-lost'] as const;
export type Fault = (typeof FAULTS)[number];

/** The command line. */
export type Options = {
  readonly stages: readonly StageName[];
  readonly quick: boolean;
  readonly scale: number;
  readonly json: string | undefined;
  readonly profile: string | undefined;
  readonly fault: Fault | undefined;
};

export const HELP = `Usage: npm run bench -- [options]

Measures this checkout on this machine: the kernel as in production (a process of
its own, cells in processes of theirs, every commit on disk), a stub as the world
outside, and a driver, all on 127.0.0.1. About 3 minutes; with --quick a good minute.

Stages (all by default):
  W1      an event starts a run of three steps: a transform in a cell, one POST
          through the broker, a state update. Runs/s with 64 in flight; latency
          at 50/s and at 500/s; CPU time per run
  W2      events that match no trigger, 64 in flight; and what an event costs that
          1, 100 and 10,000 active triggers are asked about, without the kernel
  W5      runs of a quiet org, alone and beside an org that sends as much as it can and
          whose target is slow: the ratio of their p99
  start   from the spawn of the kernel to the first 200 of /healthz
  memory  of the kernel and its cells, idle and under W1
  cell    calls of one cell, without the kernel around it
  history pages of the runs of an org that has a million (100,000 with --quick)
  loop    how long a run that is as large as a run may be holds the event loop

Options:
  --only STAGE     one stage; may be repeated
  --quick          shorter rounds and fewer of them
  --json FILE      also write { machine, results } there; the folder must exist
  --profile DIR    leave a CPU profile of the kernel for each load in this new folder
                   (open them with Chrome DevTools) and print where the time went
  --scale F        all times times F, from 0.01 to 10; below 1 only to try the bench
  --fault FAULT    plant a fault, to see that the bench notices:
                   ${FAULTS.join(', ')}
  --help           this text

Each figure is the median over its rounds. The spread is half the range of the
rounds relative to that median. Latency counts from the time at which an event was
to be sent, whether or not the driver or the kernel were ready for it.

Goals are the project's own aim, set for a machine with two cores that does nothing
else. "missed" says that a figure is not there on this machine: it is no failure.

Exit status: 0 measured; 1 a run did not complete, an answer was wrong, or a
figure cannot be; 2 the command line was wrong.
`;

/** @returns what is wanted, `help`, or a sentence that says what to mend. */
export function readOptions(args: readonly string[]): Options | 'help' | { readonly wrong: string } {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    return { wrong: (error as Error).message.split('. ', 1)[0] ?? '' };
  }
  if (values.help) return 'help';
  const { only, fault, json, profile, quick } = values;
  const unknown = only?.find((name) => !STAGES.some((stage) => stage === name));
  if (unknown !== undefined) return { wrong: `--only ${unknown}: the stages are ${STAGES.join(', ')}` };
  const scale = Number(values.scale);
  if (!(scale >= 0.01 && scale <= 10)) return { wrong: '--scale takes a number from 0.01 to 10' };
  const planted = FAULTS.find((one) => one === fault);
  if (fault !== undefined && !planted) return { wrong: `--fault takes one of ${FAULTS.join(', ')}` };
  const stages = STAGES.filter((stage) => only === undefined || only.includes(stage));
  return { stages, quick, scale, json, profile, fault: planted };
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      scale: { type: 'string', default: '1' },
      fault: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  }).values;
