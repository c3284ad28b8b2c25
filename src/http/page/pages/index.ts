/** All pages, by their paths below /ui. */
import type { Page } from "../view/page.ts";
import { dead } from "./dead.ts";
import { executors } from "./executors.ts";
import { overview } from "./overview.ts";
import { queues } from "./queues.ts";
import { schedules } from "./schedules.ts";
import { task } from "./task.ts";
import { tasks } from "./tasks.ts";
import { types } from "./types.ts";

export const PAGES: Readonly<Record<string, Page>> = {
  "/": overview,
  "/tasks": tasks,
  "/tasks/:id": task,
  "/queues": queues,
  "/types": types,
  "/executors": executors,
  "/schedules": schedules,
  "/dead": dead,
};

export const PAGES_BY_NAME: ReadonlyMap<string, Page> = new Map(Object.values(PAGES).map((page) => [page.name, page]));
