"""Celery's side of the hostile benchmark. As a module of `celery -A`: the app. As a program: enqueues.

Arguments of the program: the deed, the number of good tasks, how many of them stand before the bad one.
CELERY_HOSTILE is the address of Redis, without a database.
"""
import os
import signal
import subprocess
import sys
import threading
import time

from celery import Celery

REDIS = os.environ["CELERY_HOSTILE"]
app = Celery("celery_hostile", broker=REDIS + "/3", backend=REDIS + "/4")
GOOD_S = 0.05
DOUBLE_FORK = "(setsid sh -c 'trap \"\" TERM; exec sleep 120' &)"


@app.task(name="good")
def good():
    with open(os.environ["BENCH_RUNS"], "a") as runs:
        runs.write(".")
    time.sleep(GOOD_S)


@app.task(name="bad", soft_time_limit=5, time_limit=6)
def bad(deed):
    DEEDS[deed]()


def loop():
    while True:
        pass


def allocate():
    hoard = []
    while len(hoard) < 512:
        hoard.append(bytearray(b"x") * 8_000_000)


def overflow():
    overflow()


def stray():
    threading.Thread(target=lambda: 1 / 0).start()
    time.sleep(GOOD_S)


def double_fork():
    subprocess.Popen(["sh", "-c", DOUBLE_FORK], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).wait()


DEEDS = {
    "endless loop": loop,
    "allocates 4 GB": allocate,
    "process.exit(0)": lambda: os._exit(0),
    "kill -SEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "abort": os.abort,
    "stack overflow": overflow,
    "stray rejection": stray,
    "double fork, deaf to SIGTERM": double_fork,
}

if __name__ == "__main__":
    deed, count, before = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in range(count):
        if number == before:
            bad.apply_async((deed,), task_id="bad")
        good.apply_async(task_id=f"good-{number}")
