"""Imports what a real run had imported and makes its clients: `cold_start.py FOLDER MODULES SERVICE …`."""

import importlib
import json
import sys


def main() -> None:
    """Import the modules in the order of that run, and make a boto3 client of each service."""
    folder, modules, *services = sys.argv[1:]
    sys.path.insert(0, folder)
    with open(modules, encoding="utf-8") as file:  # noqa: PTH123
        names = json.load(file)
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:  # an alias that its package makes, such as six.moves
            continue
    boto3 = importlib.import_module("boto3")

    for service in services:
        boto3.client(service)


main()
