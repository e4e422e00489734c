"""`python -m cowest`, which is also what `accelerate launch -m cowest` starts."""

from cowest.cli.main import start

start()
