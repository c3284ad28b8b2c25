"""A user's handler in Python that does nothing."""
import sys

sys.path.insert(0, sys.argv[1])  # the folder of taskexe_worker.py

from taskexe_worker import serve, task  # noqa: E402


@task("user-noop")
def user_noop(payload):
    pass


sys.argv[1:] = []
serve()
