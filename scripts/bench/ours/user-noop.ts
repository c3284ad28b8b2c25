/** A user's handler that does nothing: what the way to a runner and back costs, and nothing else. */
import { defineTask } from "taskexe";

export default defineTask({ type: "user-noop", run() {} });
