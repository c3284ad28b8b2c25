"""An executor as RagFlow's behaves on Redis, written from its wire contract: for tests of fleets of both kinds.

It reads one message at a time, acknowledges and never deletes, and polls when there is nothing; it takes up what is
pending under its own name when it starts; its heartbeats end for good at a lag that is no number; it expels names whose
heartbeats are old. Each message that it runs has two lines in the ledger.
"""

import json
import os
import socket
import sys
import threading
import time
from datetime import datetime

PORT, NAME, LEDGER, BEAT_S, TIMEOUT_S, POLL_S, WORK_S = sys.argv[1:8]
GROUP = "rag_flow_svr_task_broker"
STREAMS = ("te.1.common", "te.0.common")
BOOT = datetime.now().astimezone().isoformat(timespec="milliseconds")
DONE = 0


class Redis:
    """A connection of its own; answers are bytes, numbers, lists, None."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(PORT)))
        self.file = self.socket.makefile("rb")
        self("SELECT", "1")

    def __call__(self, *words):
        parts = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"*":
            return [self.answer() for _ in range(size)]
        return self.file.read(size + 2)[:-2]


def note(what, task_id):
    with open(LEDGER, "ab") as ledger:
        ledger.write(f"{what} {task_id} {NAME}\n".encode())


def heartbeats():
    redis = Redis()
    try:
        while True:
            groups = redis("XINFO", "GROUPS", STREAMS[1])
            about = dict(zip(groups[0][::2], groups[0][1::2]))
            # As the original: no number, no further heartbeat.
            pending, lag = int(about[b"pending"]), int(about[b"lag"])
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")
            beat = {"ip_address": "10.9.8.7", "pid": os.getpid(), "name": NAME, "now": now, "boot_at": BOOT}
            beat |= {"pending": pending, "lag": lag, "done": DONE, "failed": 0, "current": {}}
            redis("SADD", "TASKEXE", NAME)
            redis("ZADD", NAME, time.time(), json.dumps(beat))
            if redis("SET", "clean_task_executor", NAME, "NX", "EX", 60):
                for name in redis("SMEMBERS", "TASKEXE"):
                    last = redis("ZREVRANGE", name.decode(), 0, 0, "WITHSCORES")
                    # A name without a heartbeat is one that is being registered.
                    if name.decode() != NAME and last and time.time() - float(last[1]) > float(TIMEOUT_S):
                        redis("SREM", "TASKEXE", name.decode())
                        redis("DEL", name.decode())
                        note("expelled", name.decode())
                redis("DEL", "clean_task_executor")
            time.sleep(float(BEAT_S))
    except Exception as error:
        note("heartbeats-ended", repr(error).replace(" ", "_"))
        raise


def run(redis, stream, entry, fields):
    global DONE
    message = json.loads(fields[1])
    if not redis("GET", f"{message['id']}-cancel"):
        note("began", message["id"])
        time.sleep(float(WORK_S))
        note("ended", message["id"])
        DONE += 1
    else:
        note("cancelled", message["id"])
    redis("XACK", stream, GROUP, entry.decode())


def main():
    redis = Redis()
    for stream in STREAMS:
        try:
            redis("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
        except RuntimeError as error:
            if "BUSYGROUP" not in str(error):
                raise
    threading.Thread(target=heartbeats, daemon=True).start()
    for stream in STREAMS:
        own = redis("XREADGROUP", "GROUP", GROUP, NAME, "COUNT", 100, "STREAMS", stream, "0")
        for entry, fields in own[0][1] if own else []:
            run(redis, stream, entry, fields)
    while True:
        for stream in STREAMS:
            new = redis("XREADGROUP", "GROUP", GROUP, NAME, "COUNT", 1, "STREAMS", stream, ">")
            if new:
                entry, fields = new[0][1][0]
                run(redis, stream, entry, fields)
                break
        else:
            time.sleep(float(POLL_S))


main()
