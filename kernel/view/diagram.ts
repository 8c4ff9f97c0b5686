/**
 * A picture of a playbook, or of what a run has made of it, before anyone draws it: boxes and the ways between them. A
 * box may hold others (a block of steps); a way leads from one box to another in the same one.
 */
export type Diagram = {
  readonly title: string;
  /** Of the run; null for a playbook alone. */
  readonly state: string | null;
  readonly nodes: readonly DiagramNode[];
  readonly edges: readonly DiagramEdge[];
};

export type DiagramNode = {
  readonly id: string;
  /** `start` and `end` are dots; `block` holds others and is no step of its own. */
  readonly kind: 'start' | 'end' | 'step' | 'branch' | 'group' | 'block';
  readonly label: string;
  /** What it does, in a line; empty: nothing more to say. */
  readonly detail: string;
  /** Of the step run, or what several of them have come to; null where there is no run. */
  readonly state: string | null;
  /** The box that holds it. */
  readonly parent: string | null;
};

export type DiagramEdge = {
  readonly from: string;
  readonly to: string;
  readonly label: string;
  /** The run went this way. */
  readonly taken: boolean;
  /** Only when the step fails. */
  readonly onFailure: boolean;
};
