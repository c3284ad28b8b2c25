"""What of the worker needs no executor: options, durations, payload checks, errors as data, and trial().

How it talks to an executor is tried over the real protocol, in test/python of the repository.
"""

import ast
import asyncio
import contextlib
import datetime
import io
import os
import subprocess
import sys
import unittest

import taskexe_worker as worker
from taskexe_worker import Cancelled, DoNotRetry, RetryLater, current, enqueue, lock, log, progress, sleep, task, trial

UTC = datetime.timezone.utc


class WithoutHandlers(unittest.TestCase):
    """Each test defines its own."""

    def setUp(self):
        self.before = dict(worker._handlers)
        worker._handlers.clear()

    def tearDown(self):
        worker._handlers.clear()
        worker._handlers.update(self.before)


class Defining(WithoutHandlers):
    def test_a_handler_stays_an_ordinary_function(self):
        @task("double")
        def double(payload):
            return 2 * payload

        self.assertEqual(double(2), 4)
        self.assertEqual(worker._handlers["double"].manifest, {"type": "double"})

    def test_durations_are_seconds_text_or_timedeltas(self):
        for given, ms in [
            (0, 0),
            (1.5, 1_500),
            (0.0001, 0.1),
            ("250ms", 250),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            (datetime.timedelta(milliseconds=5), 5),
        ]:
            self.assertEqual(worker._ms("timeout", given), ms)

    def test_what_is_no_duration_is_refused(self):
        for given in [-1, "5", "5 m", "m", "", None, True, float("nan"), float("inf"), "99999999d", [1]]:
            with self.assertRaisesRegex(ValueError, "timeout: expected seconds, or text"):
                worker._ms("timeout", given)

    def test_backoff_and_unique_are_told_as_data(self):
        self.assertEqual(worker._backoff("b", "fixed:5s"), {"kind": "fixed", "delay_ms": 5_000})
        told = {"kind": "exponential", "delay_ms": 1_000, "max_ms": 60_000}
        self.assertEqual(worker._backoff("b", "exponential:1s:1m"), told)
        self.assertEqual(worker._unique("u", True), {})
        self.assertIsNone(worker._unique("u", False))
        self.assertEqual(worker._unique("u", "key"), {"key": "key"})
        self.assertEqual(worker._unique("u", {"for": "until-done"}), {"for_ms": "until-done"})
        for wrong in ["fast", "fixed", "fixed:soon", "fixed:1s:2s:3s", 5, {"kind": "fixed"}]:
            with self.assertRaises(ValueError):
                worker._backoff("b", wrong)
        for wrong in [5, {"keys": "x"}, "", {"for": "soon"}]:
            with self.assertRaises(ValueError):
                worker._unique("u", wrong)

    def test_wrong_options_are_refused_where_they_are_written(self):
        for options, error, text in [
            ({"attemps": 3}, TypeError, r"""@task\('x'\): unknown option "attemps"; known are attempts, backoff, """),
            ({"attempts": 0}, ValueError, r"attempts: expected a whole number from 1; got 0"),
            ({"attempts": True}, ValueError, r"attempts: expected a whole number"),
            ({"isolation": "alone"}, ValueError, r"isolation: expected shared or own; got 'alone'"),
            ({"payload": 5}, TypeError, r"payload: expected a function, or a model of pydantic; got 5"),
            ({"payload_schema": "object"}, ValueError, r"payload_schema: expected a JSON Schema as a dict"),
            ({"queue": ""}, ValueError, r"queue: expected text; got ''"),
        ]:
            with self.assertRaisesRegex(error, text):
                task("x", **options)(lambda payload: payload)

    def test_a_handler_takes_two_parameters_at_most(self):
        with self.assertRaisesRegex(TypeError, "got 3 parameters"):
            task("x")(lambda a, b, c: None)
        with self.assertRaisesRegex(ValueError, "1 to 128 characters"):
            task("")(lambda: None)

    def test_a_type_has_one_handler(self):
        task("x")(lambda: None)
        with self.assertRaisesRegex(ValueError, r'the type "x" has a handler already: \S+<lambda>'):
            task("x")(lambda: None)

    def test_times_need_a_zone(self):
        self.assertEqual(worker._time("at", datetime.datetime(2030, 1, 1, tzinfo=UTC)), "2030-01-01T00:00:00.000+00:00")
        self.assertEqual(worker._time("at", 1_900_000_000_000), 1_900_000_000_000)
        for wrong in [datetime.datetime(2030, 1, 1), None, 1.5]:
            with self.assertRaises(ValueError):
                worker._time("at", wrong)


class Trying(WithoutHandlers):
    def test_what_a_handler_did_can_be_read(self):
        @task("other")
        def other(payload):
            """Never called here."""

        with trial("resize", id="one", attempt=2) as seen:
            progress(0.5, "half")
            log.info("resized", width=40)
            self.assertEqual([enqueue(other, 1), enqueue("other", id="mine", delay=1)], ["trial-1", "mine"])
            with lock("report"):
                pass
            told = current()
            self.assertEqual((told.id, told.type, told.attempt, told.remaining()), ("one", "resize", 2, None))
            sleep(0)
        self.assertEqual(seen.progress, [(0.5, "half")])
        self.assertEqual(seen.logs, [("info", "resized", {"width": 40})])
        wanted = [{"type": "other", "payload": 1}, {"type": "other", "id": "mine", "delay_ms": 1_000}]
        self.assertEqual(seen.enqueued, wanted)
        self.assertEqual(seen.locks, ["report"])

    def test_a_cancel_can_be_tried(self):
        with trial():
            current()._cancel("timeout", 1_000)
            self.assertTrue(current().cancelled.is_set())
            for call in (lambda: progress(1), lambda: sleep(60), lambda: enqueue("other")):
                with self.assertRaises(Cancelled) as raised:
                    call()
                self.assertEqual(raised.exception.reason, "timeout")

    def test_async_handlers_can_be_tried(self):
        async def handler():
            progress(1)
            async with lock("report"):
                return await worker.enqueue_async("other")

        with trial() as seen:
            self.assertEqual(asyncio.run(handler()), "trial-1")
        self.assertEqual((seen.progress, seen.locks), ([(1, "")], ["report"]))

    def test_outside_of_an_attempt_calls_say_so_and_the_log_goes_to_standard_error(self):
        for call in (lambda: progress(1), lambda: enqueue("other"), current, lambda: sleep(0)):
            with self.assertRaisesRegex(RuntimeError, "no attempt runs here"):
                call()
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            log.warn("careful", page=4)
        self.assertEqual(told.getvalue(), "warn: careful page=4\n")


class Errors(unittest.TestCase):
    def test_those_with_a_meaning_carry_it(self):
        self.assertEqual(RetryLater("2m").after_ms, 120_000)
        self.assertEqual(str(RetryLater(1.5)), "asked to be tried again in 1.5 s")
        self.assertTrue(issubclass(DoNotRetry, Exception))
        self.assertFalse(issubclass(Cancelled, Exception), "no `except Exception` may swallow it")

    def test_one_whose_text_cannot_be_had_is_told_all_the_same(self):
        class Broken(Exception):
            def __str__(self):
                raise ValueError("no text")

        told = worker._error_record(Broken())
        self.assertIn("its text cannot be had: ValueError", told["message"])

    def test_a_circle_of_causes_ends(self):
        one, two = ValueError("one"), ValueError("two")
        one.__cause__, two.__cause__ = two, one
        told = worker._error_record(one)
        self.assertEqual(told["errors"][0]["errors"][0]["message"], "one")


class TheFile(unittest.TestCase):
    def test_it_is_written_for_python_3_9(self):
        with open(worker.__file__, encoding="utf-8") as file:
            ast.parse(file.read(), feature_version=(3, 9))

    def test_it_imports_the_standard_library_alone_and_nothing_that_takes_long(self):
        code = "import sys; import taskexe_worker; print(*sorted({name.split('.')[0] for name in sys.modules}))"
        folder = os.path.dirname(os.path.abspath(worker.__file__))
        command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({folder!r}); {code}"]
        loaded = subprocess.check_output(command)
        names = set(loaded.decode().split()) - {"taskexe_worker", "__main__"}
        self.assertEqual(names & {"asyncio", "ctypes", "ssl", "socket", "subprocess"}, set())
        if hasattr(sys, "stdlib_module_names"):
            self.assertEqual(sorted(names - set(sys.stdlib_module_names)), [])

    def test_started_by_itself_it_says_what_it_is(self):
        ran = subprocess.run([sys.executable, worker.__file__], stderr=subprocess.PIPE, text=True)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("a file with handlers imports it", ran.stderr)


if __name__ == "__main__":
    unittest.main()
