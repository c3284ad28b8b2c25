"""A stand-in for RagFlow's module of this name: the same names and shapes over an SQLite file (STANDIN_MYSQL)."""

import os
import sqlite3

from rag.utils.redis_conn import REDIS_CONN

CANVAS_DEBUG_DOC_ID = "dataflow_x"
GRAPH_RAPTOR_FAKE_DOC_ID = "graph_raptor_x"


def mysql(statement, *values):
    with sqlite3.connect(os.environ["STANDIN_MYSQL"], timeout=30) as file:
        file.row_factory = sqlite3.Row
        return file.execute(statement, values).fetchall()


class Row:
    def __init__(self, row):
        self.__dict__.update(row)

    def to_dict(self):
        return dict(self.__dict__)


class CommonService:
    @classmethod
    def get_by_id(cls, pid):
        rows = mysql("SELECT * FROM task WHERE id = ?", pid)
        return (True, Row(dict(rows[0]))) if rows else (False, None)


class TaskService(CommonService):
    @classmethod
    def get_task(cls, task_id, doc_ids=[]):
        rows = mysql("SELECT task.*, document.name FROM task LEFT JOIN document ON document.id = doc_id "
                     "WHERE task.id = ?", task_id)
        if not rows or rows[0]["retry_count"] >= 3:
            return None
        mysql("UPDATE task SET retry_count = retry_count + 1 WHERE id = ?", task_id)
        return {**dict(rows[0]), "kb_id": "kb", "tenant_id": "tenant", "seen_doc_ids": list(doc_ids)}

    @classmethod
    def update_progress(cls, id, info):
        mysql("UPDATE task SET progress_msg = progress_msg || char(10) || ? WHERE id = ?", info["progress_msg"], id)
        if "progress" in info:
            prog = info["progress"]
            mysql("UPDATE task SET progress = ?1 WHERE id = ?2 AND progress != -1 AND (?1 = -1 OR ?1 > progress)",
                  prog, id)


def has_canceled(task_id):
    return bool(REDIS_CONN.call("GET", f"{task_id}-cancel"))


def abort_doc_chunking_counter(doc_id):
    REDIS_CONN.call("DEL", f"doc:chunking_pending:{doc_id}")
    REDIS_CONN.call("SET", f"doc:chunking_aborted:{doc_id}", "1", "EX", 7 * 24 * 3600)


def credit_doc_chunking_task(doc_id, task_id):
    if REDIS_CONN.call("SET", f"doc:chunking_done:{task_id}", "1", "NX", "EX", 7 * 24 * 3600) is None:
        return 1
    return int(REDIS_CONN.call("DECRBY", f"doc:chunking_pending:{doc_id}", 1))
