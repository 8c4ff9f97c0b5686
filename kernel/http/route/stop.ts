import { envelope } from '../../../sdk/contract/api.ts';
import * as Api from '../../../sdk/contract/api-call.ts';
import { iso } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import type { Standing, Stop, Turned } from '../../flow/stop.ts';
import { data } from '../answer.ts';
import { form } from '../body.ts';
import { type Route, route } from '../route.ts';

/** The stop switch of the org. That of the machine is shown here and turned elsewhere. */
export const stopRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/stop',
    operation: 'readStop',
    summary: 'Whether the org is stopped: by whom, since when, and why',
    access: 'run.read',
    answer: { status: 200, description: 'The switches that concern the org.', schema: envelope(Api.StopState) },
    handle: ({ by }) => data(standingView(kernel.stops.show(by.org))),
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/stop',
    operation: 'engageStop',
    summary: 'Stop the org now: calls under way are cut off, nothing more is sent, and no event starts a run',
    access: 'stop.engage',
    body: form(Api.StopForm),
    answer: { status: 200, description: 'Stopped, now or before.', schema: envelope(Api.StopTurned) },
    handle: async ({ by, body }) => turned(await kernel.stops.engage(by, body.reason)),
  }),
  route({
    method: 'DELETE',
    path: '/v1/orgs/{org}/stop',
    operation: 'releaseStop',
    summary: 'Release the stop switch of the org: what waited goes on',
    access: 'stop.release',
    answer: { status: 200, description: 'Released, now or before.', schema: envelope(Api.StopTurned) },
    handle: async ({ by }) => turned(await kernel.stops.release(by)),
  }),
];

const isOn = (stop: Stop | null): boolean => stop !== null && stop.released === null;

const turned = ({ changed, ...standing }: Turned): Response => data({ ...standingView(standing), changed });

const standingView = ({ org, machine }: Standing): Api.StopState => ({
  stopped: isOn(org) || isOn(machine),
  org: org && stopView(org),
  machine: machine && stopView(machine),
});

const stopView = ({ reason, by, at, released }: Stop): NonNullable<Api.StopState['org']> => ({
  reason,
  by,
  at: iso(at),
  released: released && { by: released.by, at: iso(released.at) },
});
