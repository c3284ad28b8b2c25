/** Why an attempt failed, in the words of metrics and events. */
export const FAILURE_REASONS = ["error", "timeout", "payload", "result", "unknown_type", "crash"] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];
