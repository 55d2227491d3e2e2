"""The pull agent: fetches the certificate, proves it, has DSM install it, checks what is served.

Standard library only, Python 3.8 or later: it runs as root on a NAS that has no pip. Begin with run.py.
"""

__version__ = "0.1.0"
