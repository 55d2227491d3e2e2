"""A secret stays where it is."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from synology_setup.remote import Secret


def test_a_secret_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("geheim")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{[secret]}", str({"a": secret})]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").warning("it is %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        shown.append(traceback.format_exc())
    assert "geheim" not in "".join([*shown, caplog.text])
    assert secret.reveal() == "geheim"


def test_a_secret_is_written_nowhere() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("geheim"))
    with pytest.raises(TypeError):
        json.dumps(Secret("geheim"))
    with pytest.raises(TypeError):
        copy.copy(Secret("geheim"))
