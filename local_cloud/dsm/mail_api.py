"""SYNO.Core.Notification.Mail and its Conf: DSM's own e-mail, which task mails go by.

Public tools read `enable_mail`, `mail` (the recipients) and `smtp_info`, and send a test by `send_test`; what
a refused test answers is unsure.
"""

from __future__ import annotations

from local_cloud.dsm.api_error import INVALID_PARAMETER, ApiError
from local_cloud.dsm.tree import DsmTree, Json

MAIL = "/usr/syno/etc/simulated-mail.json"
_OFF: Json = {"enable_mail": False, "mail": [], "smtp_info": {"server": "", "port": 25}}


def get_mail(tree: DsmTree, _: Json) -> Json:
    """Notification.Mail.Conf get, version 1."""
    return tree.read_json(MAIL) if tree.path(MAIL).exists() else _OFF


def send_test(tree: DsmTree, parameters: Json) -> Json:
    """Notification.Mail send_test, version 1."""
    settings = get_mail(tree, parameters)
    if not settings["enable_mail"] or not settings["mail"]:
        raise ApiError(INVALID_PARAMETER)
    tree.log("mail.log", f"test to {', '.join(settings['mail'])}")
    return {}
