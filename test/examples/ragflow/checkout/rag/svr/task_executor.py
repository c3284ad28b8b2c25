"""A stand-in for RagFlow's module of this name. What a document is called says what becomes of it."""

import asyncio
import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from api.db.services.task_service import (
    TaskService,
    abort_doc_chunking_counter,
    credit_doc_chunking_task,
    has_canceled,
    mysql,
)
from common import settings
from common.exceptions import TaskCanceledException
from rag.utils.redis_conn import REDIS_CONN

PIPELINE_SPECIAL_PROGRESS_FREEZE_TASK_TYPES = {"raptor", "graphrag", "mindmap"}
TASK_TYPE_TO_PIPELINE_TASK_TYPE = {"raptor": "RAPTOR", "graphrag": "GraphRAG"}
POOL = ThreadPoolExecutor(4)
logging.getLogger().setLevel(logging.INFO)


class Several(Exception):
    """As an exception group, which older Pythons have not."""

    def __init__(self, text, exceptions):
        super().__init__(text)
        self.exceptions = exceptions


class PipelineTaskType:
    PARSE = "Parse"


class PipelineOperationLogService:
    @classmethod
    def record_pipeline_operation(cls, document_id, pipeline_id, task_type, task_id=None, referred_document_id=None):
        mysql("INSERT INTO operation VALUES (?, ?, ?, ?)", document_id, task_type, task_id, referred_document_id)


def set_progress(task_id, from_page=0, to_page=-1, prog=None, msg="Processing..."):
    try:
        if prog is not None and prog < 0:
            msg = "[ERROR]" + msg
        cancel = has_canceled(task_id)
        if cancel:
            msg, prog = msg + " [Canceled]", -1
        if to_page > 0 and from_page < to_page:
            msg = f"Page({from_page + 1}~{to_page}): {msg}"
        said = {"progress_msg": f"{datetime.now():%H:%M:%S} {msg}"}
        if prog is not None:
            said["progress"] = prog
        TaskService.update_progress(task_id, said)
        if cancel:
            raise TaskCanceledException(msg)
    except TaskCanceledException:
        raise
    except Exception as error:
        logging.exception(f"set_progress({task_id}) got exception: {error}")


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1_000))


async def do_handle_task(task):
    assert settings.is_ready
    callback = partial(set_progress, task["id"], task["from_page"], task["to_page"])
    kind, name = task["task_type"], task.get("name") or ""
    if has_canceled(task["id"]):
        callback(-1, msg="Task has been canceled.")
        return
    if kind.startswith("dataflow"):
        TaskService.update_progress(task["id"], {"progress": 0.7, "progress_msg": f"flow {task['dataflow_id']}"})
        callback(prog=1.0, msg=f"of {task['tenant_id']}")
        return
    if kind in ("raptor", "graphrag"):
        callback(prog=1.0, msg=f"{kind} of {','.join(task['doc_ids'])} {task['seen_doc_ids']} {task['doc_id']}")
        return
    if kind == "memory":
        callback(prog=1.0, msg=f"remembered {task['message_dict']['user']} for {task['memory_id']}")
        return
    try:
        callback(0.1, "begun")
        callback(msg="a word without a value")
        await asyncio.get_running_loop().run_in_executor(POOL, lambda: callback(0.6, f"from a thread of {os.getpid()}"))
        if name == "fails":
            raise ValueError("no such page")
        if name == "group":
            raise Several("several", [Several("of one", [KeyError("k")]), ValueError("other")])
        if name == "too-large":
            callback(-1, "File size exceeds")
            return
        if name == "killed" and REDIS_CONN.call("INCR", "deaths") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "always-killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "waits":
            await asyncio.sleep(1_000)
        if name == "computes":
            compute(1_000)
        if name == "computes-in-a-thread":
            await asyncio.get_running_loop().run_in_executor(POOL, compute, 1_000)
        if name == "slow":
            await asyncio.sleep(2)
        credit_doc_chunking_task(task["doc_id"], task["id"])
        callback(prog=1.0, msg="Task done")
    except Exception:
        abort_doc_chunking_counter(task["doc_id"])
        raise
    finally:
        if has_canceled(task["id"]):
            await asyncio.sleep(0)
            mysql("UPDATE document SET chunks = 'removed' WHERE id = ?", task["doc_id"])
