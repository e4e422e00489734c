"""`cowest export RUN --to FOLDER|hub:NAME [--merged] [--public]`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the run's folder, the target and the form of the export."""
    parser.add_argument("folder", metavar="RUN", help="a finished run's folder")
    parser.add_argument("--to", required=True, metavar="FOLDER|hub:NAME", help="a new folder, or a name on the hub")
    parser.add_argument("--merged", action="store_true", help="full weights instead of the adapter alone")
    parser.add_argument("--public", action="store_true", help="make it public on the hub; private otherwise")


def run(options: argparse.Namespace) -> None:
    """Writes or uploads the export, and prints its files or addresses."""
    from cowest.errors import InputError
    from cowest.export import HUB, publish, write_folder

    if options.to.startswith(HUB):
        exported: list[str] = publish(
            options.folder, options.to.removeprefix(HUB), merged=options.merged, public=options.public
        )
    elif options.public:
        raise InputError(f"--public is for the hub, but {options.to!r} is a folder. Leave it out, or give hub:NAME.")
    else:
        exported = [str(path) for path in write_folder(options.folder, options.to, merged=options.merged)]
    print("\n".join(exported))
