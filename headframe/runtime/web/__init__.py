"""The page of a program, its JSON, and its metrics, over HTTP.

Knows nothing of what it shows: a program brings a `status()` with plain data, and the
page in `static/` draws the parts that are there; further endpoints are rows of a table, which
serves and describes them. No secrets, no build step, and nothing that is fetched from
elsewhere.
"""

from headframe.runtime.web.actions import Action, Actions, Answer, read_token, reloading
from headframe.runtime.web.endpoints import Endpoint, Reply, Served, given, telling
from headframe.runtime.web.problems import Problem, respond
from headframe.runtime.web.server import WebServer

__all__ = [
    "Action",
    "Actions",
    "Answer",
    "Endpoint",
    "Problem",
    "Reply",
    "Served",
    "WebServer",
    "given",
    "read_token",
    "reloading",
    "respond",
    "telling",
]
