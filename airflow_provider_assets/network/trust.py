"""Chooses the CA certificates that API requests and downloads trust, by the rules of ``requests``.

``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` names a file or a folder of certificates; without either,
certifi's bundle is used. All clients share these rules; otherwise the triggerer could refuse a company's
certificate authority that the workers trust.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache


def ssl_context() -> ssl.SSLContext:
    """The context for every TLS connection, created once per value of the environment.

    :raises OSError: if the environment names a bundle that does not exist or cannot be read.
    """
    import certifi  # not needed to parse a DAG

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # the order of requests
        path = os.environ.get(name)
        if path:
            return context_for(path, name)
    return context_for(certifi.where(), "certifi")


@lru_cache(maxsize=8)
def context_for(bundle: str, named_by: str) -> ssl.SSLContext:
    """A context that trusts the certificates in *bundle* and no others.

    :param bundle: path of a PEM file, or of a folder prepared by ``openssl rehash``.
    :param named_by: the variable or package that names the path, for errors.
    :raises OSError: if it does not exist or cannot be read.
    """
    try:
        if os.path.isdir(bundle):  # noqa: PTH112  # text from the environment
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:  # or ssl.SSLError, a subclass; neither names the file
        raise OSError(
            f"cannot read the CA certificates at {bundle}, which {named_by} names "
            f"({type(error).__name__}); correct the path"
        ) from error
