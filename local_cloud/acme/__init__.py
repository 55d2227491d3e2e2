"""ACME servers of the embedded cloud: Pebble, or acme2certifier where Pebble cannot be had."""

from local_cloud.acme.acme2certifier import Acme2Certifier
from local_cloud.acme.find import find_acme_server
from local_cloud.acme.pebble import Pebble
from local_cloud.acme.server import AcmeServer

__all__ = ["Acme2Certifier", "AcmeServer", "Pebble", "find_acme_server"]
