/**
 * A few lines of sh (about 1 MB) that outlive an executor which was killed: they read process groups from a pipe, and
 * when the pipe ends, which the kernel sees to however the executor ended, they kill what is left in those groups.
 * It is started again when it dies, and told all groups anew. It is in a group of its own, and only SIGKILL ends it.
 */
import { getLogger } from "@logtape/logtape";
import { abortable, sleep } from "../../concurrency/index.ts";
import { type PipedChildHandle, runtime } from "../../runtime/index.ts";

const logger = getLogger(["taskexe", "runners"]);

/**
 * `+ GROUP` and `- GROUP` say which are alive, `d FOLDER` what is removed at the end, and `m MARK` what the processes
 * have in their environment that left their group. It says nothing: its output ends at once, and nobody reads it.
 */
const SCRIPT = `exec >/dev/null 2>&1
trap '' HUP INT QUIT TERM PIPE
g=' '; d=; m=
while read -r w p; do
  case $w in
    +) g="$g$p " ;;
    -) case $g in *" $p "*) g="\${g%% $p *} \${g#* $p }" ;; esac ;;
    d) d=$p ;;
    m) m=$p ;;
  esac
done <&3
for p in $g; do kill -9 "-$p"; done
if [ -n "$m" ]; then
  for f in $(grep -lzsF -e "$m" /proc/[0-9]*/environ); do f=\${f#/proc/}; kill -9 "\${f%/environ}"; done
fi
[ -z "$d" ] || rm -rf -- "$d"`;

/** How long after its death it is started again, in ms; twice as long each time, up to the second. */
const RESTART_MS = [100, 10_000] as const;

export interface GuardianOptions {
  /** What our runners have in their environment, each with something of its own behind it. */
  readonly mark: string;
  /** What is removed when this process has ended; null: nothing. */
  readonly folder: string | null;
}

export class Guardian {
  readonly #mark: string;
  #folder: string | null;
  readonly #groups = new Set<number>();
  #shell: PipedChildHandle | null = null;

  constructor({ mark, folder }: GuardianOptions) {
    this.#mark = mark;
    this.#folder = folder;
  }

  /** That folder is removed at the end, too, which came to be only now. */
  remove(folder: string): void {
    this.#folder = folder;
    this.#shell?.pipes.write(`d ${folder}\n`);
  }

  /** The pid of its shell; null while there is none. */
  get pid(): number | null {
    return this.#shell?.pid ?? null;
  }

  watch(group: number): void {
    this.#groups.add(group);
    this.#shell?.pipes.write(`+ ${group}\n`);
  }

  forget(group: number): void {
    if (this.#groups.delete(group)) this.#shell?.pipes.write(`- ${group}\n`);
  }

  /** Starts it, for the first time. Where there is no sh that is said, and nobody guards. */
  async begin(): Promise<boolean> {
    try {
      await this.#start();
      return true;
    } catch (error) {
      logger.warn(
        "there is no sh here: when this executor is killed by SIGKILL, what its runners started may be left ({error})",
        { error },
      );
      return false;
    }
  }

  /** Starts it again whenever it dies. */
  async keep(signal: AbortSignal): Promise<never> {
    let pauseMs: number = RESTART_MS[0];
    for (;;) {
      if (this.#shell !== null) {
        const startedAt = performance.now();
        await abortable(this.#shell.exited, signal);
        this.#shell = null;
        if (performance.now() - startedAt > RESTART_MS[1]) pauseMs = RESTART_MS[0];
        logger.warn("the guardian of the runners died; another one is started");
      }
      await sleep(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, RESTART_MS[1]);
      await this.#start().catch((error: unknown) => {
        logger.error("the guardian of the runners cannot be started: {error}", { error });
      });
    }
  }

  /** It ends: whatever it was told of and not told to forget, it kills. */
  async end(): Promise<void> {
    const shell = this.#shell;
    this.#shell = null;
    shell?.pipes.end();
    await shell?.exited;
  }

  async #start(): Promise<void> {
    const { PATH = "/usr/bin:/bin" } = process.env;
    const shell = await runtime.spawn("sh", ["-c", SCRIPT], { cwd: "/", env: { PATH }, pipes: true });
    const [mark, folder] = [this.#mark, this.#folder];
    const first = [...this.#groups].map((group) => `+ ${group}\n`);
    shell.pipes.write([...first, `m ${mark}\n`, folder === null ? "" : `d ${folder}\n`].join(""));
    this.#shell = shell;
  }
}
