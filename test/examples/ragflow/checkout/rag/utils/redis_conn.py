"""A client of Redis with what the stand-in asks of it; the address is in STANDIN_REDIS, as HOST:PORT:DB."""

import os
import socket
import threading


class RedisConnection:
    def __init__(self):
        self._lock = threading.Lock()
        self._file = None

    def call(self, *words):
        with self._lock:
            if self._file is None:
                host, port, database = os.environ["STANDIN_REDIS"].split(":")
                self._file = socket.create_connection((host, int(port))).makefile("rwb")
                self._send("SELECT", database)
            return self._send(*words)

    def _send(self, *words):
        texts = [str(word).encode() for word in words]
        self._file.write(b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in texts))
        self._file.flush()
        line = self._file.readline().rstrip(b"\r\n")
        if line[:1] == b"-":
            raise RuntimeError(line.decode())
        if line[:1] != b"$":
            return line[1:].decode()
        length = int(line[1:])
        return None if length < 0 else self._file.read(length + 2)[:-2].decode()


REDIS_CONN = RedisConnection()
