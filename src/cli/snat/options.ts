import type { StoreOptions } from "../context.ts";

export interface NodeOptions extends StoreOptions {
  readonly node?: string;
  readonly netns?: string;
  readonly state?: string;
}

export interface ShowOptions extends NodeOptions {
  readonly output: "text" | "json";
}

export type PlanOptions = ShowOptions;

export interface CleanOptions extends ShowOptions {
  readonly yes?: boolean;
  readonly undo?: boolean;
  readonly backup?: string;
}
