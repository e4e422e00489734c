"""Serves a pair of models as an OpenAI-compatible endpoint."""

from cowest.serving.app import make_app
from cowest.serving.background import BackgroundServer
from cowest.serving.running import api_key, serve, warm_up
from cowest.serving.workers import WorkerPlace, check_workers, serve_with_workers, shares

__all__ = [
    "BackgroundServer",
    "WorkerPlace",
    "api_key",
    "check_workers",
    "make_app",
    "serve",
    "serve_with_workers",
    "shares",
    "warm_up",
]
