"""`cowest ledger recover RUN`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the only action, `recover`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    recover = actions.add_parser(
        "recover", help="makes a new ledger of the rows of a damaged one that can be read, and keeps the damaged file"
    )
    recover.add_argument("folder", metavar="RUN", help="a run's folder")


def run(options: argparse.Namespace) -> None:
    """Recovers what can be read, and prints what became of the rest.

    Raises:
        InputError: the run has no ledger, another process uses it, or nothing in it can be read.
    """
    from cowest import ledger, runs
    from cowest.errors import InputError

    folder = runs.begun(options.folder)
    if not folder.ledger.is_file():
        raise InputError(f"{str(folder.ledger)!r} does not exist, so there is nothing to recover.")
    with folder.lock():
        damage = ledger.find_damage(folder.ledger)
        if damage is None:
            print(f"{folder.ledger} is whole: every row can be read. Nothing was changed.")
            return
        found = ledger.recover(folder.ledger)
    lost = "how many replies are lost cannot be told" if found.num_lost is None else f"{found.num_lost} are lost"
    print(f"{found.num_replies} replies are recovered, {lost}. The damaged file is kept as {found.kept_as}.")
    for (_, role), usd in sorted(found.lost_usd.items()):
        print(f"The lost replies of {role} cost ${usd:.4f}, which still counts towards its budget.")
    if found.num_lost is None:
        print("What the lost ones cost is not known either: lower budget_usd by what you may have paid for them.")
    elif found.bookings_may_be_lost:
        print(
            "What was booked for calls without a reply may be lost too: lower budget_usd by what you may have paid for "
            "them."
        )
    if found.num_lost != 0 or found.bookings_may_be_lost:
        print("The same command as before goes on and makes the lost calls again.")
