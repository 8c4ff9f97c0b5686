import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import type { World } from './world.ts';

/** Conditions: each fires when its rule becomes true for a thing, and not again before it was false for it. */
export const HIGH = 60;

export function openCrossingRules({ fail, trace, watch }: World): void {
  /** Things that are above, by org and playbook. */
  const above = new Set<string>();
  watch.listenRows((org, what, _, value) => {
    if (what !== 'event' || value === null) return;
    const { id, event, triggers } = JSON.parse(value) as StoredEvent;
    for (const { playbook, trigger, outcome } of triggers) {
      if (trigger !== 'high') continue;
      const { finding, score } = event.data as { readonly finding: string; readonly score: number };
      const thing = `${org} ${playbook} ${finding}`;
      const isAbove = score > HIGH;
      const isRight = isAbove
        ? (outcome === 'not_crossed') === above.has(thing) && outcome !== 'not_matched'
        : outcome === 'not_matched';
      if (!isRight)
        fail(
          'crossing',
          `${trace.name(id)} is ${outcome} with ${score}, and ${thing} was ${above.has(thing) ? '' : 'not '}above`,
        );
      if (isAbove) above.add(thing);
      else above.delete(thing);
    }
  });
}
