"""Runs Python functions as handlers of taskexe tasks.

One file, standard library only, Python 3.9 or later, Linux and macOS: copy it beside your handlers.

    from taskexe_worker import log, progress, serve, task

    @task("word_count", attempts=3, timeout="30s")
    def word_count(payload):
        log.info("counting")
        return {"words": len(payload["text"].split())}

    if __name__ == "__main__":
        serve()

taskexe starts it (``[worker.NAME]`` with ``command = ["python3", "handlers.py"]``) and talks to it over file
descriptors 3 and 4, as its docs/runner-protocol.md says; docs/python.md there tells all that is in here.

What it promises: the start of an attempt is told before its handler is called, its end once. A cancel reaches a
handler as the exception `Cancelled` (in async ones `asyncio.CancelledError`) and as an event. Whatever is printed goes
to the log of its task. It leaves when the executor does.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import dataclasses
import datetime
import faulthandler
import inspect
import io
import itertools
import json
import logging
import os
import queue
import re
import select
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

# What takes long to import, and not every worker needs, is imported where it is needed.
if TYPE_CHECKING:
    import asyncio

__all__ = [
    "Attempt", "Cancelled", "DoNotRetry", "ExecutorError", "Lock", "LockLost", "LockNotTaken", "RetryLater", "Trial",
    "current", "enqueue", "enqueue_async", "enqueue_many", "enqueue_many_async", "lock", "log", "outlive", "progress",
    "serve", "sleep", "task", "trial",
]  # fmt: skip

PROTOCOL = 1
_READ, _WRITE = 3, 4
_MOST_TO_RUNNER = 16 * 1024 * 1024
_MOST_FROM_RUNNER = 8 * 1024 * 1024
#: So many lines that are no messages end the worker, as they end a runner on the other side.
_MOST_FAULTS = 10
#: A line of a log is cut here, in characters; the executor keeps less.
_MOST_LOGGED = 20_000
#: Of an error: what a record holds.
_MOST_MESSAGE, _MOST_STACK, _MOST_ERRORS, _MOST_LEVELS = 4_000, 8_000, 50, 5
#: How often the watching thread looks whether a handler takes long, in seconds.
_LOOK = 0.01
#: How long the handlers may take to end after the executor has gone, in seconds.
_LAST_GRACE = 1.0

# Handlers may patch these.
_sleep, _getpid = time.sleep, os.getpid

Duration = Union[int, float, str, datetime.timedelta]
Function = TypeVar("Function", bound=Callable[..., Any])


# --- what handlers raise, and what is raised in them -----------------------------------------------------------------


class Cancelled(BaseException):
    """Raised in a handler that is to stop: clean up and let it pass. No ``except Exception`` catches it."""

    def __init__(self, reason: Optional[str] = None) -> None:
        attempt = _current.get()
        #: ``cancelled``, ``timeout``, ``deadline``, ``lost`` (the lease) or ``drain``.
        self.reason = reason or (attempt.cancel_reason if attempt else None) or "cancelled"
        super().__init__(self.reason)


class DoNotRetry(Exception):
    """Raise it to fail for good: no other attempt can help."""


class RetryLater(Exception):
    """Raise it to be tried again after so many seconds (or ``"5m"``); it costs no attempt."""

    def __init__(self, after: Duration, message: str = "") -> None:
        self.after_ms = _ms("RetryLater", after)
        super().__init__(message or f"asked to be tried again in {self.after_ms / 1000:g} s")


class ExecutorError(Exception):
    """The executor refused what a handler asked for; `code` says why, in a word."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class LockNotTaken(ExecutorError):
    """Another one held the lock for as long as was waited."""


class LockLost(Exception):
    """The lock was no longer held when its block ended: somebody else may have been in theirs."""


class _PayloadError(Exception):
    """The payload was refused by its handler's check."""


# --- what is said of a type ------------------------------------------------------------------------------------------

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\Z")
_MOST_MS = 3_155_760_000_000


def _ms(what: str, value: Any) -> float:
    """A duration in ms: a number of seconds, ``"500ms"``, ``"30s"``, ``"5m"``, ``"1h"``, ``"1d"``, or a timedelta."""
    found: Optional[float] = None
    if isinstance(value, datetime.timedelta):
        found = value.total_seconds() * 1000
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = value * 1000
    elif isinstance(value, str):
        parts = _DURATION.match(value)
        found = float(parts.group(1)) * _UNITS[parts.group(2)] if parts else None
    if found is None or not 0 <= found <= _MOST_MS:
        raise ValueError(f'{what}: expected seconds, or text as "30s" or "5m", from 0 to 100 years; got {value!r}')
    found = round(found, 3)  # 0.1 * 3 seconds are 300 ms.
    return int(found) if found == int(found) else found


def _whole(least: int) -> Callable[[str, Any], int]:
    def read(what: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{what}: expected a whole number from {least}; got {value!r}")
        return value

    return read


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what}: expected text; got {value!r}")
    return value


def _backoff(what: str, value: Any) -> dict[str, Any]:
    """``"fixed:5s"``, ``"exponential:1s"`` or ``"exponential:1s:10m"``."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) not in (2, 3) or parts[0] not in ("fixed", "exponential"):
        raise ValueError(f'{what}: expected "fixed:5s", "exponential:1s:10m" or a function; got {value!r}')
    told: dict[str, Any] = {"kind": parts[0], "delay_ms": _ms(what, parts[1])}
    if len(parts) == 3:
        told["max_ms"] = _ms(what, parts[2])
    return told


def _unique(what: str, value: Any) -> Optional[dict[str, Any]]:
    """True, the key, or ``{"key": ..., "for": "1h"}``; False and None: it is not unique."""
    if value is None or value is False:
        return None
    if value is True:
        return {}
    if isinstance(value, str):
        return {"key": _text(what, value)}
    if not isinstance(value, Mapping) or not set(value) <= {"key", "for"}:
        raise ValueError(f'{what}: expected True, a key, or {{"key": ..., "for": ...}}; got {value!r}')
    told: dict[str, Any] = {}
    if value.get("key") is not None:
        told["key"] = _text(what, value["key"])
    if value.get("for") is not None:
        told["for_ms"] = value["for"] if value["for"] == "until-done" else _ms(what, value["for"])
    return told


def _one_of(*allowed: str) -> Callable[[str, Any], str]:
    def read(what: str, value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{what}: expected {' or '.join(allowed)}; got {value!r}")
        return str(value)

    return read


def _object(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what}: expected a JSON Schema as a dict; got {value!r}")
    return dict(value)


def _time(what: str, value: Any) -> Any:
    """A datetime with a zone, text with one, or Unix ms."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{what}: expected a time with a zone, as datetime.now(timezone.utc); got {value!r}")
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return value
    raise ValueError(f"{what}: expected a datetime with a zone, text with one, or Unix ms; got {value!r}")


Row = tuple[str, Callable[[str, Any], Any]]
#: How a task is run and queued: the option here -> its name on the wire, and what reads it.
_SHARED: dict[str, Row] = {
    "attempts": ("attempts", _whole(1)),
    "backoff": ("backoff", _backoff),
    "crash_budget": ("crash_budget", _whole(0)),
    "timeout": ("timeout_ms", _ms),
    "retention": ("retention_ms", _ms),
    "on_done": ("on_done", _text),
    "on_dead": ("on_dead", _text),
    "on_cancelled": ("on_cancelled", _text),
    "queue": ("queue", _text),
    "priority": ("priority", _whole(0)),
    "delay": ("delay_ms", _ms),
    "unique": ("unique", _unique),
}
_OF_TYPES: dict[str, Row] = {
    **_SHARED,
    "deadline": ("deadline_ms", _ms),
    "isolation": ("isolation", _one_of("shared", "own")),
    "payload_schema": ("payload_schema", _object),
}
_OF_TASKS: dict[str, Row] = {
    **_SHARED,
    "id": ("id", _text),
    "at": ("at", _time),
    "deadline_at": ("deadline_at", _time),
}


def _options(what: str, rows: Mapping[str, Row], given: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in given.items():
        row = rows.get(key)
        if row is None:
            raise TypeError(f'{what}: unknown option "{key}"; known are {", ".join(sorted(rows))}')
        name, read = row
        told[name] = read(f"{what}: {key}", value)
    return told


class _Handler:
    """A function, and what the executor is told of its type."""

    def __init__(self, name: str, function: Callable[..., Any], parse: Any, options: dict[str, Any]) -> None:
        what = f"@task({name!r})"
        if not isinstance(name, str) or not 1 <= len(name) <= 128:
            raise ValueError(f"@task: expected a type of 1 to 128 characters; got {name!r}")
        self.type = name
        self.function = function
        #: A function of the failed attempt and its error that gives the delay of the next one.
        self.backoff: Optional[Callable[[int, BaseException], Duration]] = None
        if callable(options.get("backoff")):
            self.backoff = options.pop("backoff")
        # A model of pydantic is a class with these two; nothing here needs to know more of it.
        if hasattr(parse, "model_validate"):
            if "payload_schema" not in options:
                options["payload_schema"] = parse.model_json_schema()
            parse = parse.model_validate
        if parse is not None and not callable(parse):
            raise TypeError(f"{what}: payload: expected a function, or a model of pydantic; got {parse!r}")
        self.parse: Optional[Callable[[Any], Any]] = parse
        told = _options(what, _OF_TYPES, options)
        self.manifest = {"type": name, **{key: value for key, value in told.items() if value is not None}}
        self.is_async = inspect.iscoroutinefunction(function)
        self.takes = _takes(what, function)

    def call(self, attempt: Attempt) -> Any:
        """What the function gives: of an async one, its coroutine."""
        if self.takes == 0:
            return self.function()
        payload = attempt.payload if self.parse is None else self.read(attempt.payload)
        return self.function(payload) if self.takes == 1 else self.function(payload, attempt)

    def read(self, payload: Any) -> Any:
        try:
            return payload if self.parse is None else self.parse(payload)
        except Exception as error:
            told = _clip(f"{type(error).__name__}: {error}", _MOST_MESSAGE)
            raise _PayloadError(f'the payload was refused by the handler of "{self.type}": {told}') from None


def _takes(what: str, function: Callable[..., Any]) -> int:
    """How many of (payload, attempt) a handler takes."""
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 2
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(kind in placed for kind in kinds)
    if count > 2:
        raise TypeError(f"{what}: a handler takes (payload) or (payload, attempt); got {count} parameters")
    return count


_handlers: dict[str, _Handler] = {}


def task(type: str, *, payload: Any = None, **options: Any) -> Callable[[Function], Function]:
    """Makes a function the handler of a type; it stays an ordinary function, which tests can call.

    It is called with the payload, and where it takes two parameters also with its `Attempt`; what it returns, any JSON
    value, is the result. It may be ``async def``. The type ``*`` is whatever no other handler of its executor takes.

    :param payload: checks a payload, and makes of it what the handler is given: a function that raises for what it
        refuses (as a dataclass would, by ``lambda p: Point(**p)``), or a model of pydantic. A refused payload is not
        tried again.
    :param options: ``attempts``, ``backoff`` (``"exponential:1s:10m"``, ``"fixed:5s"``, or a function of the number of
        the failed attempt and its error that gives a delay), ``crash_budget``, ``timeout``, ``retention``, ``queue``,
        ``priority``, ``delay``, ``deadline``, ``unique``, ``isolation`` (``"shared"`` or ``"own"``) and
        ``payload_schema`` (JSON Schema). Durations are seconds, text as ``"5m"``, or a timedelta.
    :raises TypeError, ValueError: for an option that is none, or is wrong; for a type that has a handler already.
    """

    def define(function: Function) -> Function:
        handler = _Handler(type, function, payload, dict(options))
        if type in _handlers:
            other = _handlers[type].function
            raise ValueError(f'the type "{type}" has a handler already: {other.__module__}.{other.__qualname__}')
        _handlers[type] = handler
        function.taskexe_type = type  # type: ignore[attr-defined]
        return function

    return define


# --- an attempt ------------------------------------------------------------------------------------------------------


class Attempt:
    """One run of a task, as its handler sees it."""

    def __init__(self, message: dict[str, Any], handler: _Handler, host: _Host) -> None:
        about = message["task"]
        self._run: int = message["run"]
        self._handler, self._host = handler, host
        self._asks_for_delay: bool = message.get("asks_for_delay", False)
        self._partial: dict[str, str] = {}
        self._raised = False
        #: The executor has said that it is to stop.
        self._was_asked = False
        self._thread: Optional[int] = None
        self._task: Optional[asyncio.Task[str]] = None
        self._children: set[asyncio.Task[Any]] = set()
        self._since = time.monotonic()
        within = message.get("deadline_in_ms")
        self._until = None if within is None else self._since + within / 1000
        #: The task as the executor hands it over: id, type, queue, priority, queued_at, and ``message`` where another
        #: producer wrote it.
        self.task: dict[str, Any] = about
        self.id: str = about["id"]
        self.type: str = about["type"]
        #: Which attempt it is, from 1.
        self.attempt: int = message["attempt"]
        #: How often a process died over the task.
        self.crashes: int = message["crashes"]
        #: As it came, before any check.
        self.payload: Any = message["payload"] if "payload" in message else about.get("message")
        #: The trace that it belongs to, as W3C Trace Context writes it, or None; `trace` is the same.
        self.traceparent: Optional[str] = message.get("trace")
        self.trace = self.traceparent
        #: What other systems say of that trace, or None.
        self.tracestate: Optional[str] = message.get("tracestate")
        #: Why it is to stop; None: it is not.
        self.cancel_reason: Optional[str] = None
        #: How long it may take to stop, in seconds, once it is cancelled.
        self.grace: Optional[float] = None
        self._locks: dict[str, Lock] = {}

    @property
    def cancelled(self) -> threading.Event:
        """Set once it is to stop: threads of the handler's own wait with ``attempt.cancelled.wait(1)``."""
        event: threading.Event = self.__dict__.setdefault("_event", threading.Event())
        if self.cancel_reason is not None:
            event.set()
        return event

    def remaining(self) -> Optional[float]:
        """The seconds until its deadline, below 0 when it has passed; None: it has none."""
        return None if self._until is None else self._until - time.monotonic()

    def check(self) -> None:
        """:raises Cancelled: where it is to stop."""
        if self.cancel_reason is not None:
            self._raised = True
            raise Cancelled(self.cancel_reason)

    def progress(self, value: float, message: str = "") -> None:
        """See `progress`."""
        if not isinstance(value, (int, float)) or not (0 <= value <= 1 or value == -1):
            raise ValueError(f"progress takes a number from 0 to 1, or -1 for failed; got {value!r}")
        self.check()
        told = {"kind": "progress", "run": self._run, "value": value, "message": _clip(message, _MOST_LOGGED)}
        if not self._host.say_of(self, told):
            raise RuntimeError("the attempt has ended: it has no progress any more")

    def _cancel(self, reason: str, grace_ms: float) -> None:
        self.grace = grace_ms / 1000
        self.cancel_reason = reason
        event = self.__dict__.get("_event")
        if event is not None:
            event.set()

    def _stop_without_begin(self) -> str:
        return f'{{"kind":"stopped","run":{self._run},"begun":false}}\n'

    def _done(self, result: Any) -> str:
        """The line that tells of its end; a result that cannot be told is left out, with the reason."""
        if result is None:
            return f'{{"kind":"done","run":{self._run}}}\n'
        try:
            line = f'{{"kind":"done","run":{self._run},"result":{_encode(result)}}}\n'
            if len(line) <= _MOST_FROM_RUNNER:
                return line
            why = f"it is longer than {_MOST_FROM_RUNNER} bytes"
        except (TypeError, ValueError, RecursionError) as error:
            if inspect.isawaitable(result):
                return self._failed(TypeError("the handler gave an awaitable: define it with `async def`"))
            why = f"it is no JSON: {error}"
        return _encode({"kind": "done", "run": self._run, "omitted": _clip(why, _MOST_MESSAGE)}) + "\n"

    def _failed(self, error: BaseException) -> str:
        """The same for what the handler raised."""
        told: dict[str, Any]
        if self.cancel_reason is not None and not self._was_asked and _is_cancel(error):
            # Nobody has cancelled the task: the worker was told to leave, and the attempt is not to blame.
            record = {"name": "Cancelled", "message": "the worker was told to leave by SIGTERM"}
            told = {"kind": "failed", "run": self._run, "error": record, "retry": True, "later": True}
            return _encode({**told, "retry_in_ms": 0}) + "\n"
        if self.cancel_reason is not None and _is_cancel(error):
            told = {"kind": "stopped", "run": self._run}
            if self.cancel_reason == "timeout":
                told.update(self._next_delay(TimeoutError("the attempt took longer than its timeout")))
            return _encode(told) + "\n"
        told = {"kind": "failed", "run": self._run, "error": _error_record(error), "retry": True}
        if isinstance(error, RetryLater):
            told.update(later=True, retry_in_ms=error.after_ms)
        elif isinstance(error, (DoNotRetry, _PayloadError)):
            told["retry"] = False
        else:
            told.update(self._next_delay(error))
        return _encode(told) + "\n"

    def _next_delay(self, error: BaseException) -> dict[str, Any]:
        """What the handler's backoff function says, where it has one and it is asked for."""
        if not self._asks_for_delay or self._handler.backoff is None:
            return {}
        try:
            return {"retry_in_ms": _ms("backoff", self._handler.backoff(self.attempt, error))}
        except Exception as wrong:  # The attempt has failed already: the executor's backoff holds.
            self._host.say_log("error", f"the backoff function failed: {wrong!r}", None, self)
            return {}


_current: contextvars.ContextVar[Optional[Attempt]] = contextvars.ContextVar("taskexe_attempt", default=None)


# --- what handlers call ----------------------------------------------------------------------------------------------


def current() -> Attempt:
    """The attempt that runs here. :raises RuntimeError: outside of one."""
    attempt = _find_current()
    if attempt is None:
        raise RuntimeError("no attempt runs here: call this from a handler, or in a test within trial()")
    return attempt


def _find_current() -> Optional[Attempt]:
    attempt = _current.get()
    if attempt is None and _host is not None:
        attempt = _host.only_attempt()
    return attempt


def progress(value: float, message: str = "") -> None:
    """Tells how far the task is: 0 to 1, or -1 for failed, with a message for its log.

    :raises Cancelled: where the attempt is to stop.
    """
    current().progress(value, message)


def sleep(seconds: float) -> None:
    """Waits; a cancel ends it at once. In async handlers it is ``await asyncio.sleep(...)``.

    :raises Cancelled: where the attempt is to stop.
    """
    attempt = current()
    attempt.cancelled.wait(seconds)
    attempt.check()


class _Log:
    """Writes lines of the task's log; further arguments become their fields."""

    def debug(self, text: str, **fields: Any) -> None:
        self._write("debug", text, fields)

    def info(self, text: str, **fields: Any) -> None:
        self._write("info", text, fields)

    def warn(self, text: str, **fields: Any) -> None:
        self._write("warn", text, fields)

    warning = warn

    def error(self, text: str, **fields: Any) -> None:
        self._write("error", text, fields)

    def _write(self, level: str, text: str, fields: dict[str, Any]) -> None:
        attempt = _find_current()
        host = attempt._host if attempt is not None else _host
        if host is None:
            print(f"{level}: {text}{''.join(f' {key}={value!r}' for key, value in fields.items())}", file=sys.stderr)
        else:
            host.say_log(level, str(text), fields or None, attempt)


#: ``log.info("resized", width=40)``; without an attempt a line goes to the executor's log, outside of a worker to
#: standard error. The ``logging`` module's lines arrive there, too.
log = _Log()


class _Logging(logging.Handler):
    """What is logged by the ``logging`` module -> the log of the task."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = record.levelno
            name = "error" if level >= 40 else "warn" if level >= 30 else "info" if level >= 20 else "debug"
            fields = {key: value for key, value in record.__dict__.items() if key not in _RECORD}
            fields["logger"] = record.name
            log._write(name, self.format(record), fields)
        except Exception:
            self.handleError(record)


_RECORD = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}


def _new_task(type: Any, payload: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    name = getattr(type, "taskexe_type", type)
    if not isinstance(name, str):
        raise TypeError(f"enqueue takes a type, or a function that @task made a handler; got {type!r}")
    made = {"type": name, **_options(f"enqueue({name!r})", _OF_TASKS, options)}
    if payload is not None:
        made["payload"] = payload
    return made


def enqueue(type: Any, payload: Any = None, **options: Any) -> str:
    """Enqueues a task through the executor; that of the attempt is recorded as its parent.

    :param type: its type, or the function that handles it here.
    :param options: ``id``, ``queue``, ``priority``, ``attempts``, ``backoff``, ``crash_budget``, ``timeout``,
        ``retention``, ``delay`` or ``at``, ``deadline_at``, ``unique``.
    :returns: its id; where another task holds its unique key, the id of that one.
    :raises ExecutorError: where the executor refuses it, or the attempt has ended or lost its lease.
    """
    return enqueue_many([(type, payload, options)])[0]


async def enqueue_async(type: Any, payload: Any = None, **options: Any) -> str:
    """`enqueue` for async handlers."""
    return (await enqueue_many_async([(type, payload, options)]))[0]


def enqueue_many(tasks: Iterable[tuple[Any, Any, Mapping[str, Any]]]) -> list[str]:
    """Enqueues tasks, given as (type, payload, options), all or none; their ids. See `enqueue`."""
    attempt = current()
    made = [_new_task(*each) for each in tasks]
    return _ids(attempt._host.ask({"kind": "enqueue", "run": attempt._run, "tasks": made}, attempt), len(made))


async def enqueue_many_async(tasks: Iterable[tuple[Any, Any, Mapping[str, Any]]]) -> list[str]:
    """`enqueue_many` for async handlers."""
    attempt = current()
    made = [_new_task(*each) for each in tasks]
    answer = await attempt._host.ask_async({"kind": "enqueue", "run": attempt._run, "tasks": made}, attempt)
    return _ids(answer, len(made))


def _ids(answer: Any, count: int) -> list[str]:
    receipts = answer.get("tasks") if isinstance(answer, dict) else answer
    ids: list[Any] = [each.get("id") if isinstance(each, dict) else each for each in receipts or []]
    if len(ids) != count or not all(isinstance(each, str) for each in ids):
        text = f"expected {count} ids as the answer to an enqueue; got {_clip(repr(answer), 200)}"
        raise ExecutorError("answer", text)
    return ids


class Lock:
    """A lock of the whole fleet, as ``lock`` makes it: a context manager, in async handlers an async one."""

    def __init__(self, name: str, ttl_ms: float, wait_ms: float) -> None:
        self.name = name
        #: Set when it is no longer held, though the block goes on: the executor could not renew it.
        self.lost = threading.Event()
        self._ask = {"kind": "lock", "name": name, "ttl_ms": ttl_ms, "wait_ms": wait_ms}
        self._attempt: Optional[Attempt] = None

    def check(self) -> None:
        """:raises LockLost: where it is no longer held."""
        if self.lost.is_set():
            raise LockLost(f'the lock "{self.name}" was lost')

    def __enter__(self) -> Lock:
        attempt = current()
        with self._registered(attempt):
            self._take(attempt, attempt._host.ask({**self._ask, "run": attempt._run}, attempt))
        return self

    async def __aenter__(self) -> Lock:
        attempt = current()
        with self._registered(attempt):
            self._take(attempt, await attempt._host.ask_async({**self._ask, "run": attempt._run}, attempt))
        return self

    @contextlib.contextmanager
    def _registered(self, attempt: Attempt) -> Iterator[None]:
        """Before the answer: the loss of the lock may be read in one go with it."""
        if self.name in attempt._locks:
            raise RuntimeError(f'the lock "{self.name}" is held by this attempt already')
        attempt._locks[self.name] = self
        try:
            yield
        except BaseException:
            del attempt._locks[self.name]
            raise

    def _take(self, attempt: Attempt, answer: Any) -> None:
        if answer is False:
            raise LockNotTaken("held", f'the lock "{self.name}" is held by another one')
        self._attempt = attempt

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        attempt._locks.pop(self.name, None)
        attempt._host.unlock({"kind": "unlock", "run": attempt._run, "name": self.name})
        if error is None:
            self.check()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.__exit__(kind, error, trace)


def lock(name: str, ttl: Duration = 30, wait: Duration = 0) -> Lock:
    """Holds a lock of the fleet for a block: ``with lock("report", ttl=30, wait="1m") as held:``

    The executor renews it. :raises LockNotTaken: where another one holds it for as long as `wait`;
    :raises LockLost: at the end of a block in which it was lost.
    """
    return Lock(_text("lock", name), _ms("lock: ttl", ttl), _ms("lock: wait", wait))


@contextlib.contextmanager
def outlive() -> Iterator[None]:
    """What is started with ``asyncio.create_task`` in this block outlives the attempt: a client that all share, say."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


# --- errors as data --------------------------------------------------------------------------------------------------

_HERE = os.path.abspath(__file__)


def _clip(text: Any, most: int) -> str:
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[: most - 20]}... ({len(whole)} long)"


def _error_record(error: BaseException) -> dict[str, Any]:
    """The exception with its stack, the parts of a group and its cause, within bounds."""
    left = [_MOST_ERRORS]
    return _record(error, 0, left)


def _record(error: BaseException, level: int, left: list[int]) -> dict[str, Any]:
    kind = type(error)
    where = kind.__module__
    name = kind.__qualname__ if where in ("builtins", "__main__", __name__) else f"{where}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception as wrong:
        message = f"(its text cannot be had: {type(wrong).__name__})"
    if isinstance(error, SystemExit):
        message = f"the handler called sys.exit({error.code!r})"
    told: dict[str, Any] = {"name": name.lstrip("_"), "message": _clip(message, _MOST_MESSAGE)}
    stack = "" if isinstance(error, _PayloadError) else _stack(error)
    if stack:
        told["stack"] = stack
    parts = list(getattr(error, "exceptions", None) or []) if _is_group(error) else []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        parts.append(cause)
    if level < _MOST_LEVELS:
        kept = []
        for part in parts:
            if isinstance(part, BaseException) and left[0] > 0:
                left[0] -= 1
                kept.append(_record(part, level + 1, left))
        if kept:
            told["errors"] = kept
    return told


def _is_cancel(error: BaseException) -> bool:
    loops = sys.modules.get("asyncio")
    return isinstance(error, Cancelled) or (loops is not None and isinstance(error, loops.CancelledError))


def _is_group(error: BaseException) -> bool:
    """Also those of the package for older Pythons."""
    return isinstance(getattr(error, "exceptions", None), (list, tuple))


def _stack(error: BaseException) -> str:
    """Without the frames of this file at its beginning; of a long one the beginning and the end."""
    trace = error.__traceback__
    while trace is not None and os.path.abspath(trace.tb_frame.f_code.co_filename) == _HERE:
        trace = trace.tb_next
    try:
        lines = traceback.format_tb(trace, limit=-60)
        text = "".join(lines + traceback.format_exception_only(type(error), error)).rstrip()
    except Exception as wrong:
        return f"(its stack cannot be had: {wrong!r})"
    if len(text) <= _MOST_STACK:
        return text
    half = _MOST_STACK // 2 - 10
    return f"{text[:half]}\n...\n{text[-half:]}"


# --- the wire --------------------------------------------------------------------------------------------------------

_encode_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_decode_json = json.JSONDecoder().raw_decode
_RUN = re.compile(r'\{"kind":"run","run":(\d+)')


def _encode(value: Any) -> str:
    """JSON in ASCII. :raises TypeError, ValueError, RecursionError: for what is none."""
    return _encode_json(value)


def _encode_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a log's fields say, whatever they are."""
    told: dict[str, Any] = {}
    for key, value in fields.items():
        try:
            _encode(value)
            told[str(key)] = value
        except (TypeError, ValueError, RecursionError):
            told[str(key)] = _clip(value, 1_000)
    return told


class _Wire:
    """Lines to and from the executor. One thread reads at a time; whoever writes does it under a lock."""

    def __init__(self, read: int, write: int) -> None:
        self._in, self._out = read, write
        self._parts: list[bytes] = []
        self._length = 0
        self._skips = False
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._in

    def read(self) -> list[bytes]:
        """Waits for bytes; the lines that they complete. :raises EOFError: at the end."""
        chunk = os.read(self._in, 262_144)
        if not chunk:
            raise EOFError
        end = chunk.rfind(b"\n")
        if end < 0:
            self._keep(chunk)
            return []
        head = chunk[:end]
        if self._skips:
            head = head[head.find(b"\n") + 1 :] if b"\n" in head else b""
            self._skips = False
        elif self._parts:
            head = b"".join(self._parts) + head
        self._parts, self._length = [], 0
        if end + 1 < len(chunk):
            self._keep(chunk[end + 1 :])
        return head.split(b"\n")

    def _keep(self, rest: bytes) -> None:
        if self._skips:
            return
        self._length += len(rest)
        self._parts.append(rest)
        if self._length > _MOST_TO_RUNNER:
            self._parts, self._length, self._skips = [], 0, True

    def write(self, text: str) -> None:
        data: Any = text.encode("ascii")
        with self._lock:
            try:
                written = os.write(self._out, data)
                while written < len(data):
                    data = data[written:]
                    written = os.write(self._out, data)
            except BrokenPipeError:
                # Nobody is there to be told of anything.
                os._exit(1)


# --- the host of attempts: what both ways to run them share ----------------------------------------------------------


class _Answer:
    """A question to the executor that has not been answered."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.event = threading.Event()
        self.message: Optional[dict[str, Any]] = None
        self.future: Optional[asyncio.Future[Any]] = None

    def value(self) -> Any:
        error = (self.message or {}).get("error")
        if error is not None:
            code, text = str(error.get("code", "")), str(error.get("message", ""))
            raise (LockNotTaken if code in ("held", "lock_held", "lock_timeout") else ExecutorError)(code, text)
        return (self.message or {}).get("value")


class _Host:
    """Reads messages, and holds the attempts that were handed over until they have ended."""

    def __init__(self, wire: _Wire, handlers: Mapping[str, _Handler], concurrency: int) -> None:
        self.wire, self.handlers, self.concurrency = wire, handlers, concurrency
        self.runs: dict[int, Attempt] = {}
        #: Held while something is said of an attempt, and while it ends.
        self.ending = threading.RLock()
        self.waiting: collections.deque[Attempt] = collections.deque()
        self.asks: dict[int, _Answer] = {}
        self.numbers = itertools.count(1)
        self.stopping = False
        self.exit_code = 0
        self.forked = False
        self.faults = 0
        self._partial: dict[str, str] = {}
        self.kinds: dict[str, Callable[[dict[str, Any]], None]] = {
            "run": self.on_run, "cancel": self.on_cancel, "lock_lost": self.on_lock_lost, "ping": self.on_ping,
            "tree": self.on_tree, "check": self.on_check, "snapshot": self.on_snapshot, "answer": self.on_answer,
            "stop": self.on_stop,
        }  # fmt: skip

    # What the two kinds of hosts do in their own way.

    def write(self, text: str) -> None:
        """Writes lines, now or soon, in their order. In a child that a handler forked: nothing."""
        raise NotImplementedError

    def interrupt(self, attempt: Attempt) -> None:
        """Makes a handler that runs notice its cancel."""
        raise NotImplementedError

    def wait_for(self, answer: _Answer) -> None:
        """Until there is one. :raises Cancelled: where the attempt is to stop first."""
        raise NotImplementedError

    def only_attempt(self) -> Optional[Attempt]:
        """The attempt that a thread without one belongs to, where there is no doubt."""
        return None

    def stack_of(self, attempt: Attempt) -> list[str]:
        return []

    # Messages.

    def handle(self, lines: list[bytes]) -> None:
        for line in lines:
            if line:
                message = self.decode(line)
                if message is not None:
                    handler = self.kinds.get(message.get("kind"))  # type: ignore[arg-type]
                    if handler is not None:
                        handler(message)

    def decode(self, line: bytes) -> Optional[dict[str, Any]]:
        text = ""
        try:
            text = line.decode("utf-8")
            message, _ = _decode_json(text)
            if isinstance(message, dict):
                return message
            why = "a line is no JSON object"
        except (ValueError, RecursionError) as error:
            found = _RUN.match(text)
            if found is not None:
                # A number of thousands of digits, or arrays in arrays: it must not wait for ever.
                told = {"name": "PayloadError", "message": f"Python cannot read the payload: {_clip(error, 300)}"}
                run = int(found.group(1))
                self.say({"kind": "begun", "runs": [run]})
                self.say({"kind": "failed", "run": run, "error": told, "retry": False})
                return None
            why = f"a line is no message: {_clip(error, 300)}"
        self.faults += 1
        self.say_log("error", f"from the executor: {why}", None, None)
        if self.faults >= _MOST_FAULTS:
            os._exit(1)
        return None

    def on_run(self, message: dict[str, Any]) -> None:
        handler = self.handlers.get(message["task"]["type"]) or self.handlers.get("*")
        if handler is None:
            known = ", ".join(sorted(self.handlers))
            text = f'this worker has no handler of "{message["task"]["type"]}"; it has {known}'
            error = {"name": "UnknownTypeError", "message": _clip(text, _MOST_MESSAGE)}
            self.say({"kind": "begun", "runs": [message["run"]]})
            self.say({"kind": "failed", "run": message["run"], "error": error, "retry": True})
            return
        attempt = Attempt(message, handler, self)
        self.runs[attempt._run] = attempt
        self.waiting.append(attempt)

    def on_cancel(self, message: dict[str, Any]) -> None:
        attempt = self.runs.get(message["run"])
        if attempt is not None:
            self.cancel(attempt, message.get("reason", "cancelled"), message.get("grace_ms", 0), was_asked=True)

    def cancel(self, attempt: Attempt, reason: str, grace_ms: float, *, was_asked: bool) -> None:
        try:
            self.waiting.remove(attempt)
        except ValueError:  # It has begun.
            attempt._was_asked = attempt._was_asked or was_asked
            attempt._cancel(reason, grace_ms)
            self.interrupt(attempt)
            for answer in list(self.asks.values()):
                if answer.attempt is attempt:
                    answer.event.set()
        else:
            self.forget(attempt)
            # Else it is for another worker, which the executor sees when this one has ended.
            if was_asked:
                self.write(attempt._stop_without_begin())

    def cancel_all(self, reason: str) -> None:
        """This worker leaves."""
        for attempt in list(self.runs.values()):
            self.cancel(attempt, reason, 0, was_asked=False)

    def on_lock_lost(self, message: dict[str, Any]) -> None:
        attempt = self.runs.get(message["run"])
        held = attempt._locks.get(message["name"]) if attempt is not None else None
        if held is not None:
            held.lost.set()

    def on_ping(self, message: dict[str, Any]) -> None:
        self.write(f'{{"kind":"answer","ask":{message["ask"]}}}\n')

    def on_tree(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        runs = []
        for attempt in list(self.runs.values()):
            state = "running" if attempt.cancel_reason is None else "cancelling"
            age = round((now - attempt._since) * 1000)
            frames = [] if attempt in self.waiting else self.stack_of(attempt)
            told = {"kind": "scope", "ageMs": age, "state": state, "children": []}
            children = [{**told, "name": frame} for frame in frames]
            runs.append({"run": attempt._run, "id": attempt.id, "type": attempt.type, "children": children})
        self.say({"kind": "answer", "ask": message["ask"], "value": runs})

    def on_check(self, message: dict[str, Any]) -> None:
        handler = self.handlers.get(message["type"])
        told: dict[str, Any] = {"kind": "answer", "ask": message["ask"], "value": {"ok": True}}
        try:
            if handler is None:
                refusal = {"code": "failed", "message": f"there is no handler of {message['type']}"}
                told = {"kind": "answer", "ask": message["ask"], "error": refusal}
            else:
                handler.read(message.get("payload"))
        except _PayloadError as error:
            told["value"] = {"ok": False, "message": str(error)}
        self.say(told)

    def on_snapshot(self, message: dict[str, Any]) -> None:
        import tracemalloc

        told: dict[str, Any] = {"kind": "answer", "ask": message["ask"]}
        if not tracemalloc.is_tracing():
            text = "allocations are not traced: start the worker with PYTHONTRACEMALLOC=1 in its env"
            told["error"] = {"code": "not_traced", "message": text}
        else:
            try:
                os.close(os.open(message["path"], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                tracemalloc.take_snapshot().dump(message["path"])
                told["value"] = {"path": message["path"], "format": "tracemalloc"}
            except OSError as error:
                told["error"] = {"code": "not_written", "message": str(error)}
        self.say(told)

    def on_answer(self, message: dict[str, Any]) -> None:
        answer = self.asks.pop(message["ask"], None)
        if answer is None:
            return
        answer.message = message
        answer.event.set()
        if answer.future is not None and not answer.future.done():
            answer.future.set_result(None)

    def on_stop(self, message: dict[str, Any]) -> None:
        """Nothing new comes behind it; what was handed over before it is still run."""
        self.stopping = True

    # What attempts say.

    def say(self, message: dict[str, Any]) -> None:
        self.write(_encode(message) + "\n")

    def say_log(self, level: str, text: str, fields: Optional[Mapping[str, Any]], attempt: Optional[Attempt]) -> None:
        if self.forked:
            print(f"{level}: {text}", file=sys.__stderr__)
            return
        told: dict[str, Any] = {"kind": "log", "level": level, "text": _clip(text, _MOST_LOGGED)}
        if fields:
            told["fields"] = _encode_fields(fields)
            if len(_encode(told["fields"])) > _MOST_FROM_RUNNER // 2:
                told["fields"] = {"omitted": "the fields of this line were too large"}
        # What is written when the attempt has ended, by a thread that it left behind, is the worker's.
        if attempt is None or not self.say_of(attempt, {**told, "run": attempt._run}):
            self.say(told)

    def say_of(self, attempt: Attempt, message: dict[str, Any]) -> bool:
        """Says it, unless the attempt has ended: nothing may come behind its end."""
        line = _encode(message) + "\n"
        with self.ending:
            if attempt._run not in self.runs:
                return False
            self.write(line)
            return True

    def forget(self, attempt: Attempt) -> None:
        """It has ended; its end is told after this."""
        with self.ending:
            del self.runs[attempt._run]

    def say_rest(self, attempt: Attempt) -> None:
        """The last line that was printed, where no line feed ended it."""
        rest, attempt._partial = attempt._partial, {}
        for level, text in rest.items():
            if text:
                self.say_log(level, text, None, attempt)

    def question(self, message: dict[str, Any], attempt: Attempt, answer: _Answer) -> int:
        """Asks it. :raises Cancelled: where the attempt is to stop; ExecutorError: when it has ended."""
        if attempt._run not in self.runs:
            raise ExecutorError("ended", "the attempt has ended: nothing can be asked for it")
        attempt.check()
        number = next(self.numbers)
        line = _encode({**message, "ask": number}) + "\n"
        if len(line) > _MOST_FROM_RUNNER:
            raise ExecutorError("too_long", f"it takes {len(line)} bytes, and may take {_MOST_FROM_RUNNER}")
        self.asks[number] = answer
        try:
            self.write(line)
        except BaseException:
            self.asks.pop(number, None)
            raise
        return number

    def ask(self, message: dict[str, Any], attempt: Attempt) -> Any:
        """The executor's answer. :raises ExecutorError: its refusal; Cancelled: where the attempt is to stop."""
        answer = _Answer(attempt)
        number = self.question(message, attempt, answer)
        try:
            self.wait_for(answer)
        finally:
            self.asks.pop(number, None)
        return answer.value()

    async def ask_async(self, message: dict[str, Any], attempt: Attempt) -> Any:
        import asyncio

        answer = _Answer(attempt)
        answer.future = asyncio.get_running_loop().create_future()
        number = self.question(message, attempt, answer)
        try:
            await answer.future
        finally:
            self.asks.pop(number, None)
        return answer.value()

    def unlock(self, message: dict[str, Any]) -> None:
        """Its answer says nothing that could be heeded."""
        self.say({**message, "ask": next(self.numbers)})

    def hello(self) -> str:
        told = {
            "kind": "hello",
            "protocol": PROTOCOL,
            "language": "python",
            "pid": _getpid(),
            "concurrency": self.concurrency,
            "types": [handler.manifest for handler in self.handlers.values()],
            "files": _own_files(),
        }
        return _encode(told) + "\n"


def _own_files() -> list[str]:
    """The modules that were loaded from the folder of the program, or below it; none of installed packages."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None:
        return []
    folder = os.path.dirname(os.path.abspath(main))
    files = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        path = os.path.abspath(file) if isinstance(file, str) else ""
        below = path[len(folder) + 1 :] if path.startswith(folder + os.sep) else ""
        if below and not re.search(r"(^|/)(site-packages|dist-packages|lib/python[\d.]+)/", below):
            files.add(path)
    return sorted(files)[:1_000]


# --- one at a time, in the main thread -------------------------------------------------------------------------------


class _MainThread(_Host):
    """Runs handlers one after the other in the main thread, which also reads: no thread is changed for a short one.

    A second thread looks every 10 ms. While one handler runs for longer, it reads in the main thread's place, answers
    pings, and sends a signal into the handler that is to stop, which Python turns into `Cancelled`.
    """

    def __init__(self, wire: _Wire, handlers: Mapping[str, _Handler]) -> None:
        super().__init__(wire, handlers, 1)
        self.main = threading.get_ident()
        #: What the main thread runs.
        self.running: Optional[Attempt] = None
        #: The same while a signal may raise in it: not while this file's own code writes for it.
        self.open: Optional[Attempt] = None
        self.idle = False
        self.asking = False
        self.watching = False
        self.parked = False
        self.ended = False
        self.wake = threading.Event()
        self.back = threading.Event()
        self.nudged, self.nudge = os.pipe()
        self.said = ""

    def serve(self) -> None:
        signal.signal(signal.SIGURG, self.on_urgent)
        signal.signal(signal.SIGTERM, self.on_terminate)
        threading.Thread(target=self.watch, name="taskexe watch", daemon=True).start()
        self.write(self.hello())
        while not self.ended:
            try:
                attempt = self.waiting.popleft()
            except IndexError:
                said, self.said = self.said, ""
                if said:
                    self.wire.write(said)
                if self.stopping and not self.waiting:
                    return
                self.receive()
                continue
            # The end of the one before goes out together with the beginning of this one.
            said, self.said = self.said, ""
            self.wire.write(f'{said}{{"kind":"begun","runs":[{attempt._run}]}}\n')
            self.said = self.run(attempt)
        self.wire.write(self.said)

    def run(self, attempt: Attempt) -> str:
        token = _current.set(attempt)
        attempt._thread = self.main
        self.running = attempt
        if self.parked:
            self.wake.set()
        try:
            try:
                self.open = attempt
                if attempt.cancel_reason is not None:
                    attempt.check()
                result = attempt._handler.call(attempt)
            finally:
                self.open = None
        except BaseException as error:
            self.open = None
            if self.forked:
                self.leave_fork(error)
            ending = attempt._failed(error)
        else:
            if self.forked:
                self.leave_fork(None)
            ending = attempt._done(result)
        self.running = None
        _current.reset(token)
        if attempt._partial:
            self.say_rest(attempt)
        self.forget(attempt)
        return ending

    def leave_fork(self, error: Optional[BaseException]) -> None:
        """A handler has forked, and its child came back: there is nothing here that it could go on with."""
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(type(error), error, error.__traceback__, file=sys.__stderr__)
        os._exit(0 if error is None else 1)

    def receive(self) -> None:
        """Waits for messages; takes the reading back where the other thread has it."""
        while self.watching:
            os.write(self.nudge, b".")
            self.back.wait()
            self.back.clear()
        if self.waiting or self.ended:
            return
        try:
            self.idle = True
            if self.stopping:
                return
            lines = self.wire.read()
        except EOFError:
            self.ended = True
            return
        finally:
            self.idle = False
        self.handle(lines)

    def watch(self) -> None:
        looks = 0
        while True:
            seen = self.running
            _sleep(_LOOK)
            running = self.running
            if running is None:
                looks += 1
                if looks > 10:
                    looks = 0
                    self.wake.clear()
                    self.parked = True
                    if self.running is None:
                        self.wake.wait()
                    self.parked = False
                continue
            looks = 0
            if running is not seen or self.asking:
                continue
            # Said first, asked then: the main thread does it the other way round, so one of them gives way.
            self.watching = True
            if self.running is running and not self.asking:
                self.relay()
            self.watching = False
            self.back.set()

    def relay(self) -> None:
        """Reads in the main thread's place until that wants it back."""
        poll = select.poll()
        poll.register(self.wire, select.POLLIN)
        poll.register(self.nudged, select.POLLIN)
        while True:
            if any(ready == self.nudged for ready, _ in poll.poll()):
                os.read(self.nudged, 512)
                return
            try:
                self.handle(self.wire.read())
            except EOFError:
                # The executor has gone, or wants this to end: nothing that is said now is heard.
                self.ended = True
                self.cancel_all("lost")
                _sleep(_LAST_GRACE)
                os._exit(1)

    def write(self, text: str) -> None:
        if self.forked:
            return
        if threading.get_ident() != self.main:
            self.wire.write(text)
            return
        opened, self.open = self.open, None
        try:
            self.wire.write(text)
        finally:
            self.open = opened
        if opened is not None and opened.cancel_reason is not None and not opened._raised:
            opened.check()

    def interrupt(self, attempt: Attempt) -> None:
        if threading.get_ident() == self.main:
            return  # Whoever reads for its own question looks itself.
        if signal.getsignal(signal.SIGURG) == self.on_urgent:
            signal.pthread_kill(self.main, signal.SIGURG)
        elif not attempt._raised:
            # The handler took the signal for itself.
            attempt._raised = True
            _raise_in(self.main)

    def on_urgent(self, number: int, frame: Any) -> None:
        """Runs in the main thread, between two steps of the handler, or in the midst of a call that waits."""
        attempt = self.open
        if attempt is not None and attempt.cancel_reason is not None and not attempt._raised:
            attempt.check()

    def on_terminate(self, number: int, frame: Any) -> None:
        """The executor's last word before it kills: also to a handler that has let a cancel pass."""
        self.stopping, self.exit_code = True, 143
        if self.idle:
            raise SystemExit(self.exit_code)
        attempt, running = self.open, self.running
        for other in list(self.waiting):
            self.cancel(other, "drain", 0, was_asked=False)
        if running is not None:
            if running.cancel_reason is None:
                running._cancel("drain", 0)
            # Where this file's own code is at work for the handler: it looks when it has written.
            running._raised = False
        if attempt is not None:
            attempt.check()

    def wait_for(self, answer: _Answer) -> None:
        attempt = answer.attempt
        if threading.get_ident() != self.main:
            answer.event.wait()
            if answer.message is None:
                attempt.check()
            return
        opened, self.open = self.open, None
        self.asking = True
        try:
            while answer.message is None and attempt.cancel_reason is None and not self.ended:
                if self.watching:
                    answer.event.wait(0.05)
                else:
                    try:
                        self.handle(self.wire.read())
                    except EOFError:
                        self.ended = True
                        self.cancel_all("lost")
        finally:
            self.asking = False
            self.open = opened
        if answer.message is None:
            attempt.check()

    def only_attempt(self) -> Optional[Attempt]:
        return self.running

    def stack_of(self, attempt: Attempt) -> list[str]:
        return _frames(sys._current_frames().get(self.main))


# --- several at a time: an event loop in the main thread, and threads ------------------------------------------------


class _Loop(_Host):
    """Runs async handlers in an event loop of the main thread, others in threads; the loop reads and writes.

    So a ping is answered where async handlers run: one that computes instead of awaiting is seen to hold up its
    neighbours.
    """

    def __init__(self, wire: _Wire, handlers: Mapping[str, _Handler], concurrency: int) -> None:
        import asyncio

        super().__init__(wire, handlers, concurrency)
        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        self.main = threading.get_ident()
        self.active = 0
        self.out: collections.deque[str] = collections.deque()
        self.bytes = 0
        self.flushing = False
        self.jobs: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
        self.threads = 0
        self.idle_threads = 0
        #: Held while an exception is aimed at a thread, so that it hits no other attempt.
        self.aim = threading.Lock()
        self.over = self.loop.create_future()

    def serve(self) -> None:
        self.asyncio.set_event_loop(self.loop)
        self.loop.set_task_factory(self.make_task)
        self.loop.add_signal_handler(signal.SIGTERM, self.on_terminate)
        self.loop.add_reader(self.wire.fileno(), self.on_readable)
        self.write(self.hello())
        self.loop.run_until_complete(self.over)
        self.loop.remove_reader(self.wire.fileno())
        self.flush()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def on_readable(self) -> None:
        try:
            self.handle(self.wire.read())
            self.start_next()
        except EOFError:
            self.loop.remove_reader(self.wire.fileno())
            self.stopping = True
            self.cancel_all("lost")
            self.loop.call_later(_LAST_GRACE, os._exit, 1)
        self.settle()

    def on_terminate(self) -> None:
        self.stopping, self.exit_code = True, 143
        self.cancel_all("drain")
        self.settle()

    def settle(self) -> None:
        if self.stopping and not self.runs and not self.over.done():
            self.over.set_result(None)

    def start_next(self) -> None:
        """As many as may begin, told of in one line."""
        begun = []
        while self.waiting and self.active < self.concurrency:
            self.active += 1
            begun.append(self.waiting.popleft())
        if not begun:
            return
        self.write(f'{{"kind":"begun","runs":[{",".join(str(attempt._run) for attempt in begun)}]}}\n')
        self.flush()
        for attempt in begun:
            if attempt._handler.is_async:
                running = self.loop.create_task(self.run_async(attempt))
                attempt._task = running
                running.add_done_callback(lambda _, attempt=attempt: self.end_async(attempt))  # type: ignore[misc]
            else:
                self.jobs.put(attempt)
                if self.idle_threads < self.jobs.qsize() and self.threads < self.concurrency:
                    self.threads += 1
                    threading.Thread(target=self.work, name=f"taskexe {self.threads}", daemon=True).start()

    # Async handlers.

    def make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        """Every task that an attempt starts ends with it."""
        made: asyncio.Task[Any] = self.asyncio.Task(coroutine, loop=loop, **more)
        attempt = _current.get()
        if attempt is not None:
            attempt._children.add(made)
            made.add_done_callback(attempt._children.discard)
        return made

    async def run_async(self, attempt: Attempt) -> str:
        _current.set(attempt)
        try:
            ending = attempt._done(await attempt._handler.call(attempt))
        except BaseException as error:  # Also SystemExit: it must not end the loop.
            ending = attempt._failed(error)
        for child in attempt._children:
            child.cancel()
        while attempt._children:
            with contextlib.suppress(self.asyncio.CancelledError):
                await self.asyncio.wait(set(attempt._children))
        return ending

    def end_async(self, attempt: Attempt) -> None:
        running = attempt._task
        if running is None or running.cancelled():
            # It was cancelled before its first step.
            self.end(attempt, attempt._failed(self.asyncio.CancelledError()))
        else:
            self.end(attempt, running.result())

    # Others.

    def work(self) -> None:
        while True:
            self.idle_threads += 1
            attempt = self.jobs.get()
            self.idle_threads -= 1
            ending = self.run_in_thread(attempt)
            self.loop.call_soon_threadsafe(self.end, attempt, ending)

    def run_in_thread(self, attempt: Attempt) -> str:
        token = _current.set(attempt)
        result: Any = None
        error: Optional[BaseException] = None
        ended = False
        try:
            try:
                with self.aim:
                    attempt._thread = threading.get_ident()
                if attempt.cancel_reason is not None:
                    attempt.check()
                result = attempt._handler.call(attempt)
                ended = True
            except BaseException as raised:
                error, ended = raised, True
            self.out_of_aim(attempt)
        except Cancelled as late:
            # The one that was aimed at the handler; it has just ended.
            self.out_of_aim(attempt)
            if not ended:
                error = late
        if self.forked:
            os._exit(0 if error is None else 1)
        ending = attempt._done(result) if error is None else attempt._failed(error)
        if attempt._partial:
            self.say_rest(attempt)
        _current.reset(token)
        return ending

    def out_of_aim(self, attempt: Attempt) -> None:
        with self.aim:
            if attempt._raised and attempt._thread is not None:
                _raise_in(attempt._thread, None)  # It may not have arrived.
            attempt._thread = None

    def end(self, attempt: Attempt, ending: str) -> None:
        if attempt._partial:
            self.say_rest(attempt)
        self.forget(attempt)
        self.write(ending)
        self.active -= 1
        self.start_next()
        self.settle()

    def interrupt(self, attempt: Attempt) -> None:
        if attempt._task is not None:
            attempt._task.cancel()
            return
        with self.aim:
            if attempt._thread is not None and not attempt._raised:
                attempt._raised = True
                _raise_in(attempt._thread)

    # Writing.

    def write(self, text: str) -> None:
        if self.forked:
            return
        is_loop = threading.get_ident() == self.main
        while not is_loop and self.bytes > 1_000_000:
            _sleep(0.001)
        self.out.append(text)
        self.bytes += len(text)
        if is_loop and self.bytes > 1_000_000:
            self.flush()
        elif not self.flushing:
            self.flushing = True
            if is_loop:
                self.loop.call_soon(self.flush)
            else:
                self.loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        self.flushing = False
        texts = []
        while self.out:
            texts.append(self.out.popleft())
        self.bytes = 0
        if texts:
            self.wire.write("".join(texts))

    def wait_for(self, answer: _Answer) -> None:
        if threading.get_ident() == self.main:
            raise RuntimeError("an async handler awaits enqueue_async, enqueue_many_async, and `async with lock(...)`")
        answer.event.wait()
        if answer.message is None:
            answer.attempt.check()

    def stack_of(self, attempt: Attempt) -> list[str]:
        if attempt._task is None:
            return _frames(sys._current_frames().get(attempt._thread or 0))
        frames: list[Any] = []
        coroutine: Any = attempt._task.get_coro()
        while coroutine is not None and len(frames) < 1_000:
            frames.append(getattr(coroutine, "cr_frame", None))
            coroutine = getattr(coroutine, "cr_await", None)
        return _told_frames(reversed(frames))


def _frames(frame: Any) -> list[str]:
    """Those of a thread, the innermost first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return _told_frames(frames)


def _told_frames(frames: Iterable[Any]) -> list[str]:
    """Without those of this file."""
    own = (frame for frame in frames if frame is not None and os.path.abspath(frame.f_code.co_filename) != _HERE)
    codes = [(frame.f_code, frame.f_lineno) for frame in itertools.islice(own, 20)]
    return [f"{code.co_name} ({code.co_filename}:{line})" for code, line in codes]


def _raise_in(thread: int, error: Any = Cancelled) -> None:
    """At the next step of its Python code; None takes back what has not arrived."""
    import ctypes

    aimed = ctypes.py_object() if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), aimed)


# --- printing --------------------------------------------------------------------------------------------------------


class _Output(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr: each line that is printed is a line of the log of the attempt."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, host: _Host, level: str, real: Any) -> None:
        super().__init__()
        self._host, self._level, self._real = host, level, real
        self._lock = threading.RLock()

    @property
    def buffer(self) -> Any:
        """Bytes go where they always went."""
        return self._real.buffer

    def fileno(self) -> int:
        return int(self._real.fileno())

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, got {type(text).__name__}")
        if self._host.forked:
            return int(self._real.write(text))
        attempt = _find_current()
        keeper: Any = self._host if attempt is None else attempt
        with self._lock:
            lines = (keeper._partial.get(self._level, "") + text).split("\n")
            rest = lines.pop()
            if len(rest) > _MOST_LOGGED:
                lines.append(rest)
                rest = ""
            # A bar that is drawn again and again, each time from the beginning of its line: its last state counts.
            rest = rest[rest.rfind("\r", 0, -1) + 1 :]
            keeper._partial[self._level] = rest
        for line in lines:
            shown = line.rstrip("\r")
            self._host.say_log(self._level, shown[shown.rfind("\r") + 1 :], None, attempt)
        return len(text)


# --- trying handlers without an executor -----------------------------------------------------------------------------


@dataclasses.dataclass
class Trial:
    """What a handler did in a test."""

    #: (value, message) of each progress.
    progress: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    #: (level, text, fields) of each line of `log`.
    logs: list[tuple[str, str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    #: The tasks that it enqueued, as they would go to the executor.
    enqueued: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    #: The names of the locks that it took.
    locks: list[str] = dataclasses.field(default_factory=list)


class _TrialHost(_Host):
    """Answers at once, and keeps what was said."""

    def __init__(self, seen: Trial) -> None:
        super().__init__(_Wire(-1, -1), _handlers, 1)
        self.seen = seen

    def write(self, text: str) -> None:
        message = json.loads(text)
        if message["kind"] == "progress":
            self.seen.progress.append((message["value"], message["message"]))
        elif message["kind"] == "log":
            self.seen.logs.append((message["level"], message["text"], message.get("fields", {})))

    def answer(self, message: dict[str, Any], attempt: Attempt) -> Any:
        attempt.check()
        if message["kind"] == "lock":
            self.seen.locks.append(message["name"])
            return True
        _encode(message)
        self.seen.enqueued.extend(message["tasks"])
        first = len(self.seen.enqueued) - len(message["tasks"]) + 1
        return [made.get("id", f"trial-{number}") for number, made in enumerate(message["tasks"], first)]

    def ask(self, message: dict[str, Any], attempt: Attempt) -> Any:
        return self.answer(message, attempt)

    async def ask_async(self, message: dict[str, Any], attempt: Attempt) -> Any:
        return self.answer(message, attempt)


@contextlib.contextmanager
def trial(type: str = "trial", *, id: str = "trial", attempt: int = 1) -> Iterator[Trial]:
    """For tests: in the block `progress`, `log`, `enqueue`, `lock` and `current` work, and what they did can be read.

    ::

        with trial() as seen:
            assert word_count({"text": "a b"}) == {"words": 2}
        assert seen.progress[-1] == (1, "")
    """
    seen = Trial()
    host = _TrialHost(seen)
    about = {"id": id, "type": type, "queue": "common", "priority": 0, "queued_at": None}
    handler = _handlers.get(type) or _Handler(type, lambda: None, None, {})
    made = Attempt({"run": 1, "task": about, "attempt": attempt, "crashes": 0, "payload": None}, handler, host)
    host.runs[1] = made
    token = _current.set(made)
    try:
        yield seen
    finally:
        host.runs.clear()
        _current.reset(token)


# --- serving ---------------------------------------------------------------------------------------------------------

_host: Optional[_Host] = None

_USAGE = """This is a worker of taskexe: an executor starts it. Its configuration:

  [worker.NAME]
  command = ["python3", "{program}"]

To try a handler here: python3 {program} TYPE ['JSON']
Its types: {types}"""


def serve(*, concurrency: int = 1) -> None:
    """Runs the handlers that were defined, until the executor ends it. Call it last, in the main thread.

    :param concurrency: how many attempts may run here at once. With 1, and no async handler, they run in the main
        thread; else async ones in an event loop there, and others in threads.
    :raises ValueError: for a concurrency below 1; RuntimeError: without a handler, or in another thread.
    """
    _whole(1)("serve: concurrency", concurrency)
    if not _handlers:
        raise RuntimeError("serve() found no handler: define one with @task first")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("serve() must be called in the main thread")
    if not _is_started_by_executor():
        sys.exit(_try_one(sys.argv[1:]))
    global _host
    for descriptor in (_READ, _WRITE):
        # What handlers start must not hold them: the executor would wait for their end.
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, True)
    _die_with_parent()
    with contextlib.suppress(Exception):  # Where standard error is no file, a crash tells less.
        faulthandler.enable(2)
    wire = _Wire(_READ, _WRITE)
    is_plain = concurrency == 1 and not any(handler.is_async for handler in _handlers.values())
    host: Any = _MainThread(wire, _handlers) if is_plain else _Loop(wire, _handlers, concurrency)
    _host = host
    os.register_at_fork(after_in_child=lambda: _after_fork(host))
    # Ctrl-C on a terminal is for the executor; a function, since children would inherit that it is ignored.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    _bridge_logging()
    sys.stdout = _Output(host, "info", sys.__stdout__)
    sys.stderr = _Output(host, "warn", sys.__stderr__)
    try:
        host.serve()
    finally:
        _leave()
    if host.exit_code != 0:
        sys.exit(host.exit_code)


def _bridge_logging() -> None:
    """The `logging` module's lines go to the log, also those that the program has sent to its standard streams."""
    if not logging.root.handlers:
        logging.root.addHandler(_Logging())
        if logging.root.level == logging.WARNING:
            logging.root.setLevel(logging.INFO)
    for other in list(logging.root.handlers):
        if getattr(other, "stream", None) in (sys.__stdout__, sys.__stderr__):
            bridge = _Logging(other.level)
            bridge.setFormatter(other.formatter)
            logging.root.removeHandler(other)
            logging.root.addHandler(bridge)


def _leave() -> None:
    """Threads of the handlers' own may not keep it: what was registered with atexit runs, for two seconds at most."""
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    watchdog = threading.Timer(2, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()


def _is_started_by_executor() -> bool:
    try:
        modes = [os.fstat(descriptor).st_mode for descriptor in (_READ, _WRITE)]
    except OSError:
        return False
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in modes)


def _die_with_parent() -> None:
    """Linux alone can do it; elsewhere the end of descriptor 3 says the same, to whoever reads it."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(Exception):  # Without ctypes, or where it is forbidden: as elsewhere.
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)


def _after_fork(host: _Host) -> None:
    """In a child that goes on in Python, as of multiprocessing: the executor is not its to talk to."""
    host.forked = True
    for descriptor in (_READ, _WRITE):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    with contextlib.suppress(ValueError):  # In a thread that is not the main one.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGURG, signal.SIG_DFL)


def _try_one(arguments: list[str]) -> int:
    """``python3 handlers.py TYPE JSON``: calls one handler, prints its result, and what it did on standard error."""
    handler = (_handlers.get(arguments[0]) or _handlers.get("*")) if len(arguments) in (1, 2) else None
    if handler is None:
        types = ", ".join(sorted(_handlers))
        print(_USAGE.format(program=os.path.basename(sys.argv[0]) or "handlers.py", types=types), file=sys.stderr)
        return 2
    import asyncio

    with trial(handler.type) as seen:
        try:
            current().payload = json.loads(arguments[1]) if len(arguments) == 2 else None
            result = handler.call(current())
            result = asyncio.run(result) if handler.is_async else result
            print(_encode(result))
            return 0
        except Exception as error:
            record = _error_record(error)
            print(record.get("stack") or f"{record['name']}: {record['message']}", file=sys.stderr)
            return 1
        finally:
            for value, message in seen.progress:
                print(f"progress: {value:g} {message}", file=sys.stderr)
            for level, text, fields in seen.logs:
                print(f"{level}: {text}{f' {fields}' if fields else ''}", file=sys.stderr)
            for made in seen.enqueued:
                print(f"would enqueue: {_encode(made)}", file=sys.stderr)


if __name__ == "__main__":
    print("This file is a module: a file with handlers imports it, and calls serve() last.", file=sys.stderr)
    sys.exit(2)
