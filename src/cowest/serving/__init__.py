"""Serves a pair of models as an OpenAI-compatible endpoint."""

from cowest.serving.app import make_app
from cowest.serving.background import BackgroundServer
from cowest.serving.running import api_key, serve, warm_up

__all__ = ["BackgroundServer", "api_key", "make_app", "serve", "warm_up"]
