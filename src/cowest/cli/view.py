"""`cowest view RUN [RUN ...] [--port N]`."""

import argparse
import signal

PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the runs' folders and the port."""
    parser.add_argument("folders", nargs="+", metavar="RUN", help="a run's folder; the page can compare two")
    parser.add_argument("--port", type=int, default=PORT, help=f"a port of this machine, 0 for any ({PORT})")


def run(options: argparse.Namespace) -> None:
    """Serves the page on loopback until interrupted; only reads the runs."""
    import sys
    from pathlib import Path

    from cowest.viewer import Library, make_server

    signal.signal(signal.SIGTERM, _terminate)
    with Library([Path(folder) for folder in options.folders]) as library, make_server(library, options.port) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        print("• Open it in a browser on this machine; Ctrl-C stops it.", file=sys.stderr)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)


def _terminate(*_: object) -> None:
    """Ends as Ctrl-C does, with the status of a process that was terminated: what is temporary is removed."""
    raise SystemExit(128 + signal.SIGTERM)
