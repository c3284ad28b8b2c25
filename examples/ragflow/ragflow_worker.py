"""Runs RagFlow's tasks with RagFlow's own functions, in processes of taskexe.

    RAGFLOW_HOME=/ragflow /ragflow/.venv/bin/python ragflow_worker.py --check

taskexe.toml beside this file starts it (``[worker.ragflow]``); docs/ragflow.md of taskexe tells how it is put in the
place of RagFlow's task_executor.py. It needs taskexe_worker.py beside it, and a checkout of RagFlow (its container has
one in /ragflow) with the Python that RagFlow runs with.

What is RagFlow's stays there: the row of the task (`TaskService.get_task`), the work, what it writes into MySQL
(`set_progress`), the flags of cancels (`has_canceled`), the `doc:chunking_*` keys. Nothing of it is copied here or put
in another's place: `set_progress` and `update_progress` are wrapped, so that taskexe is told what they are told.
RELIED_ON is all that this file knows of RagFlow; it is checked at the start.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextlib
import difflib
import importlib
import inspect
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, Callable, NamedTuple, Optional

import taskexe_worker
from taskexe_worker import Attempt, Cancelled, DoNotRetry, log, task


class Row(NamedTuple):
    """A name of RagFlow's that is relied on."""

    module: str
    name: str
    #: What it is called with, in this order or by these names; None: it is not called.
    takes: Optional[tuple[str, ...]]
    #: Whether nothing works without it.
    needed: bool
    what_for: str


_TASKS, _EXECUTOR = "api.db.services.task_service", "rag.svr.task_executor"

#: Read off RagFlow at commit b1b8cd6 (August 2026).
RELIED_ON = (
    Row(_TASKS, "TaskService.get_task", ("task_id",), True, "the message becomes the task's row, with its document"),
    Row(_TASKS, "TaskService.update_progress", ("id", "info"), True, "progress of data flows, beside MySQL"),
    Row(_TASKS, "has_canceled", ("task_id",), True, "whether RagFlow has cancelled it"),
    Row(_EXECUTOR, "set_progress", ("task_id", "from_page", "to_page", "prog", "msg"), True, "progress, in MySQL"),
    Row(_EXECUTOR, "do_handle_task", ("task",), True, "the work"),
    # What some releases lack, and some kinds of tasks need.
    Row(_TASKS, "TaskService.get_by_id", ("pid",), False, "the row of a memory task; whether MySQL knows of an end"),
    Row(_TASKS, "abort_doc_chunking_counter", ("doc_id",), False, "the doc:chunking_* keys of a task that was killed"),
    Row(_TASKS, "GRAPH_RAPTOR_FAKE_DOC_ID", None, False, "tasks of a whole dataset"),
    Row(_TASKS, "CANVAS_DEBUG_DOC_ID", None, False, "trial runs of a data flow"),
    Row(_EXECUTOR, "PIPELINE_SPECIAL_PROGRESS_FREEZE_TASK_TYPES", None, False, "tasks of a whole dataset"),
    Row(_EXECUTOR, "TaskCanceledException", None, False, "how its functions end at a cancel"),
    Row(_EXECUTOR, "settings.init_settings", (), False, "connections to its stores"),
    Row(_EXECUTOR, "TaskManager.run_refactored_task",
        ("task", "chat_limiter", "minio_limiter", "chunk_limiter", "embed_limiter", "kg_limiter", "set_progress",
         "has_canceled"), False, "the work, where its handle_task calls this: TE_RUN_MODE is 0, or not set"),
    Row(_EXECUTOR, "PipelineOperationLogService.record_pipeline_operation", None, False,
        "the log of operations that its pages show; of what it takes it is given what is known here"),
    Row(_EXECUTOR, "TASK_TYPE_TO_PIPELINE_TASK_TYPE", None, False, "the same"),
    Row(_EXECUTOR, "PipelineTaskType.PARSE", None, False, "the same"),
)  # fmt: skip

#: The limiters of `run_refactored_task`, all of them names of its task_executor.
_LIMITERS = ("chat_limiter", "minio_limiter", "chunk_limiter", "embed_limiter", "kg_limiter")
#: How long the executor may take until it has seen a cancel of which RagFlow knows, in seconds.
_CANCEL_SEEN = 5.0
#: How often a cancel is told to the work that has not ended, in seconds.
_AGAIN = 1.0


class RagFlowError(Exception):
    """The task has failed, and RagFlow's MySQL says so; the text is what stands there."""


# --- what is RagFlow's -----------------------------------------------------------------------------------------------


class RagFlow:
    """The checkout, loaded and checked."""

    def __init__(self, home: str) -> None:
        """:raises SystemExit: where it cannot be loaded, or lacks what is relied on, with what was found."""
        self.home = os.path.abspath(home)
        self.found: dict[str, Any] = {}
        if not os.path.isdir(os.path.join(self.home, "rag")):
            sys.exit(
                f"{self.home} is no checkout of RagFlow: expected a folder rag/ in it; found {_listed(self.home)}. "
                "Set RAGFLOW_HOME to the folder where RagFlow stands (in its container: /ragflow)"
            )
        sys.path.insert(0, self.home)
        # Its modules read the number of an executor from the arguments.
        arguments, sys.argv = sys.argv, sys.argv[:1]
        try:
            problems = [problem for row in RELIED_ON for problem in self._find(row)]
        finally:
            sys.argv = arguments
        if problems:
            sys.exit(f"RagFlow in {self.home} is not as ragflow_worker.py expects it:\n" + "\n".join(problems))
        self.executor = importlib.import_module(_EXECUTOR)
        if "trio" in vars(self.executor):
            sys.exit(f"RagFlow in {self.home} runs its tasks with trio; expected a release that does with asyncio")
        init = self.get("settings.init_settings")
        if init is not None:
            init()

    def get(self, name: str) -> Any:
        """None: this release has none."""
        return self.found.get(name)

    def _find(self, row: Row) -> Iterator[str]:
        """Finds it; else says what is wrong."""
        told = f"  {row.module}.{row.name}" + ("" if row.takes is None else f"({', '.join(row.takes)})")
        try:
            holder: Any = importlib.import_module(row.module)
        except BaseException as error:
            if not isinstance(error, (Exception, SystemExit)):
                raise
            if row.needed:
                yield f"{told}: the module cannot be imported by {sys.executable}: {type(error).__name__}: {error}"
            return
        for part in row.name.split("."):
            names = dir(holder)
            if part not in names:
                if row.needed:
                    near = difflib.get_close_matches(part, names, 5, 0.4)
                    yield f"{told}: missing; found {', '.join(near) if near else 'nothing like it'}"
                return
            holder = getattr(holder, part)
        problem = None if row.takes is None else _refusal(holder, row.takes)
        if problem is not None:
            yield f"{told}: {problem}"
        self.found[row.name] = holder


def _refusal(function: Any, takes: tuple[str, ...]) -> Optional[str]:
    """Why it cannot be called so; None: it can."""
    if not callable(function):
        return f"expected a function; found {type(function).__name__}"
    try:
        signature = inspect.signature(function)
    except ValueError:  # Of C: nothing is known.
        return None
    parameters = signature.parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    # One alone is given by its place, whatever it is called.
    try:
        if len(takes) < 2:
            signature.bind(*takes)
        else:
            signature.bind(**dict.fromkeys(takes))
    except TypeError as error:
        return f"it is {signature}, and cannot be called so: {error}"
    return None


def _listed(folder: str) -> str:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return error.strerror or str(error)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing in it"


# --- a task ----------------------------------------------------------------------------------------------------------


class Work:
    """A task of RagFlow's that runs here: what its functions say of it is told to taskexe, too."""

    def __init__(self, number: str, attempt: Attempt) -> None:
        self.id = number
        self.attempt = attempt
        #: The last value, since a message may come without one.
        self.value = 0.0
        #: What was said with -1.
        self.failure: Optional[str] = None
        self.busy_before = _busy_threads()

    def told(self, value: Optional[float], message: str) -> None:
        """Beside RagFlow's own account. :raises Cancelled: where the attempt is to stop."""
        if value is not None and value < 0:
            # taskexe counts -1 as the end; RagFlow may have more to say.
            self.failure = message
            message = f"[ERROR]{message}"
        elif value is not None:
            self.value = min(max(self.value, float(value)), 1.0)
        # Of a thread that was left behind nothing is told any more.
        with contextlib.suppress(RuntimeError):
            self.attempt.progress(self.value, message)


_work: Optional[Work] = None
#: In a thread that is within `set_progress`: what it writes by `update_progress` has been told.
_within = threading.local()


def _wrap(ragflow: RagFlow) -> None:
    """`set_progress` and `update_progress` also tell taskexe, once theirs have done what they do."""
    theirs: Callable[..., Any] = ragflow.executor.set_progress
    signature = inspect.signature(theirs)

    def set_progress(*given: Any, **named: Any) -> Any:
        _within.set_progress = True
        try:
            returned = theirs(*given, **named)
        finally:
            _within.set_progress = False
        said = signature.bind(*given, **named)
        said.apply_defaults()
        work = _work
        if work is not None and said.arguments.get("task_id") == work.id:
            work.told(said.arguments.get("prog"), str(said.arguments.get("msg") or ""))
        return returned

    services = ragflow.get("TaskService.get_task").__self__
    update: Callable[..., Any] = services.update_progress

    def update_progress(id: Any, info: Any, *given: Any, **named: Any) -> Any:
        returned = update(id, info, *given, **named)
        work = _work
        if work is not None and id == work.id and not getattr(_within, "set_progress", False):
            lines = str(info.get("progress_msg") or "").strip().splitlines()
            work.told(info.get("progress"), lines[-1] if lines else "")
        return returned

    ragflow.executor.set_progress = set_progress
    ragflow.found["set_progress"] = set_progress
    ragflow.found["theirs"] = theirs
    services.update_progress = staticmethod(update_progress)


def _tell_ragflow(number: str, message: str) -> None:
    """That it has failed, in MySQL alone."""
    try:
        ragflow.found["theirs"](number, prog=-1, msg=message)
    except Exception as error:
        # Its set_progress ends so where the task is cancelled, once it has written that.
        if not _is_canceled(error):
            logging.exception("RagFlow's MySQL could not be told of the end of task %s", number)


def _is_canceled(error: BaseException) -> bool:
    kind = ragflow.get("TaskCanceledException")
    return kind is not None and isinstance(error, kind)


def _filled_in(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the row of its task. :raises DoNotRetry: where MySQL has none."""
    number, kind, document = message["id"], message.get("task_type") or "", message.get("doc_id", "")
    fakes = (ragflow.get("GRAPH_RAPTOR_FAKE_DOC_ID") or "graph_raptor_x", ragflow.get("CANVAS_DEBUG_DOC_ID"))
    of_dataset = ragflow.get("PIPELINE_SPECIAL_PROGRESS_FREEZE_TASK_TYPES") or ()
    get_task = ragflow.get("TaskService.get_task")
    row: Any
    if document in fakes:
        # A data flow on trial has no document: its message is all there is.
        is_row = kind in of_dataset or document == fakes[0]
        row = get_task(number, message.get("doc_ids") or []) if is_row else {}
    elif kind == "memory" and ragflow.get("TaskService.get_by_id") is not None:
        _, kept = ragflow.get("TaskService.get_by_id")(number)
        row = kept.to_dict() if kept else None
    else:
        row = get_task(number)
    if row is None:
        raise DoNotRetry(f"task {number} is unknown")
    filled = {**message, **row, "id": number, "task_type": kind}
    # What the message says better than the row.
    better = ("doc_id", "doc_ids") if document in fakes else ()
    better += ("tenant_id", "dataflow_id", "kb_id") if kind.startswith("dataflow") else ()
    filled.update({key: message[key] for key in better if key in message})
    return filled


def _handled(row: dict[str, Any]) -> Coroutine[Any, Any, Any]:
    """Its own work, as its handle_task would begin it."""
    refactored = ragflow.get("TaskManager.run_refactored_task")
    if refactored is not None and os.environ.get("TE_RUN_MODE", "0") == "0":
        limiters = {name: getattr(ragflow.executor, name, None) for name in _LIMITERS}
        told = {"set_progress": ragflow.executor.set_progress, "has_canceled": ragflow.get("has_canceled")}
        return refactored(task=row, **limiters, **told)  # type: ignore[no-any-return]
    return ragflow.executor.do_handle_task(row)  # type: ignore[no-any-return]


def _note_operation(row: dict[str, Any]) -> None:
    """What its handle_task notes behind each task."""
    note, kinds = (
        ragflow.get("PipelineOperationLogService.record_pipeline_operation"),
        ragflow.get("TASK_TYPE_TO_PIPELINE_TASK_TYPE"),
    )
    if note is None or kinds is None or row.get("dataflow_id"):
        return
    of_many = (row.get("doc_ids") or []) if row["task_type"] in ("graphrag", "raptor", "mindmap") else []
    said = {
        "document_id": row.get("doc_id"), "pipeline_id": "", "task_id": row["id"],
        "task_type": kinds.get(row["task_type"]) or ragflow.get("PipelineTaskType.PARSE"),
        "fake_document_ids": of_many, "referred_document_id": of_many[0] if of_many else None,
    }  # fmt: skip
    takes = inspect.signature(note).parameters
    try:
        note(**{key: value for key, value in said.items() if key in takes})
    except Exception:
        logging.exception("RagFlow's log of operations could not be told of task %s", row["id"])


def _text_of(error: BaseException) -> str:
    """Of a group the messages of its chain, as RagFlow has them."""
    texts = [str(error)]
    parts = getattr(error, "exceptions", None)
    while isinstance(parts, (list, tuple)) and parts:
        texts.append(str(parts[0]))
        parts = getattr(parts[0], "exceptions", None)
    return f"[Exception]: {' -- '.join(texts)}"


# --- running it, so that a cancel ends it ----------------------------------------------------------------------------


def _run(work: Coroutine[Any, Any, Any], attempt: Attempt) -> None:
    """In the loop that all tasks share. A cancel is raised wherever the main thread is; here it ends the work."""
    loop = asyncio.get_event_loop()
    running = loop.create_task(work)
    watching = loop.create_task(_cancel_when_told(running, attempt))
    try:
        loop.run_until_complete(running)
    except BaseException:
        others = asyncio.all_tasks(loop) - {watching} if attempt.cancel_reason is not None else {running}
        for each in others:
            each.cancel()
        # Its own clean-up, as the removal of what a cancelled document has in the index. The executor bounds it.
        loop.run_until_complete(asyncio.gather(*others, return_exceptions=True))
        raise
    finally:
        watching.cancel()
        loop.run_until_complete(asyncio.gather(watching, return_exceptions=True))


async def _cancel_when_told(running: asyncio.Task[Any], attempt: Attempt) -> None:
    """The exception of a cancel may have hit what hides it: a callback of the loop, or one of several tasks."""
    while attempt.cancel_reason is None:
        await asyncio.sleep(0.2)
    while not running.done():
        running.cancel()
        await asyncio.sleep(_AGAIN)


def _wait_for_threads(before: set[int]) -> None:
    """What a pool's thread computes cannot be stopped from inside, and must not go on beside the next task.

    So this waits: the executor kills the process when the grace is over, and the record says so.
    """
    while _busy_threads() - before:
        time.sleep(0.05)


def _busy_threads() -> set[int]:
    """Threads of pools that are at work."""
    idle = getattr(concurrent.futures.thread, "_worker").__code__
    busy = set()
    for number, frame in sys._current_frames().items():
        below = frame.f_back
        while below is not None and below.f_code is not idle:
            below = below.f_back
        if below is not None and number != threading.get_ident():
            busy.add(number)
    return busy


def _stopped(work: Work, reason: str) -> None:
    """RagFlow's own account of a stop; of a lost lease and of a drain nothing, since the task runs again."""
    if reason == "cancelled":
        _tell_ragflow(work.id, "Task has been canceled.")
    elif reason in ("timeout", "deadline"):
        _tell_ragflow(work.id, f"[Exception]: stopped by its {reason}")
    _wait_for_threads(work.busy_before)


# --- the handlers ----------------------------------------------------------------------------------------------------

ragflow: RagFlow


@task("default")
def document(message: Any, attempt: Attempt) -> None:
    """What has no task_type: documents to parse."""
    _any_task(message, attempt)


@task("*")
def other(message: Any, attempt: Attempt) -> None:
    """All its other types: data flows, graphs, memory, ..."""
    _any_task(message, attempt)


def _any_task(message: Any, attempt: Attempt) -> None:
    global _work
    if not isinstance(message, dict) or not isinstance(message.get("id"), str):
        raise DoNotRetry(f"expected a message of RagFlow's, with the id of its task; got {str(message)[:200]}")
    work = Work(message["id"], attempt)
    row: Optional[dict[str, Any]] = None
    _work = work
    try:
        row = _filled_in(message)
        if ragflow.get("has_canceled")(work.id):
            _wait_for_cancel(attempt, "has been cancelled")
        _run(_handled(row), attempt)
    except BaseException as error:
        if attempt.cancel_reason is not None:
            _stopped(work, attempt.cancel_reason)
            raise Cancelled(attempt.cancel_reason) from None
        if _is_canceled(error):
            _wait_for_cancel(attempt, f"has been cancelled: {error}")
        if isinstance(error, DoNotRetry) or not isinstance(error, Exception):
            raise
        text = _text_of(error)
        _tell_ragflow(work.id, text)
        raise RagFlowError(text) from error
    finally:
        _work = None
        if row is not None and attempt.cancel_reason not in ("lost", "drain"):
            _note_operation(row)
    if work.failure is not None:
        raise RagFlowError(work.failure)


def _wait_for_cancel(attempt: Attempt, what: str) -> None:
    """RagFlow knows of a cancel before the executor has seen it. :raises Cancelled, DoNotRetry:"""
    if not attempt.cancelled.wait(_CANCEL_SEEN):
        raise DoNotRetry(f"task {attempt.id} {what}")
    attempt.check()
    raise Cancelled(attempt.cancel_reason)


@task("ragflow_ended", attempts=10, backoff="exponential:1s:1m", timeout="1m")
def ended(record: Any) -> str:
    """``on_dead`` and ``on_cancelled``: an end that RagFlow's functions did not see, as that of a killed process."""
    number = record.get("id")
    try:
        said = json.loads(record.get("message") or "null")
    except ValueError:  # Of a long one only the beginning is there.
        said = {"task_type": record.get("type"), "doc_id": None}
    if not isinstance(said, dict) or "payload" in said or not isinstance(number, str):
        return "not a task of RagFlow's"
    get_by_id = ragflow.get("TaskService.get_by_id")
    if get_by_id is not None:
        _, row = get_by_id(number)
        if row is None:
            return "MySQL has no such task"
        if row.progress is not None and row.progress < 0:
            return "MySQL knows"
    elif (record.get("error") or "").startswith("[Exception]"):
        return "MySQL knows"
    is_cancelled = record.get("state") == "cancelled"
    text = "Task has been canceled." if is_cancelled else f"[Exception]: {record.get('reason') or record.get('error')}"
    _tell_ragflow(number, text)
    abort, kind = ragflow.get("abort_doc_chunking_counter"), said.get("task_type") or ""
    if abort is not None and kind == "" and isinstance(said.get("doc_id"), str):
        abort(said["doc_id"])
    log.info(f"RagFlow's MySQL was told: {text}")
    return text


def main() -> None:
    global ragflow
    ragflow = RagFlow(os.environ.get("RAGFLOW_HOME", "/ragflow"))
    if sys.argv[1:] == ["--check"]:
        for row in RELIED_ON:
            print("there" if row.name in ragflow.found else "none ", f"{row.module}.{row.name}: {row.what_for}")
        return
    _wrap(ragflow)
    asyncio.set_event_loop(asyncio.new_event_loop())
    taskexe_worker.serve(concurrency=1)


if __name__ == "__main__":
    main()
