"""Whether DSM can send mail at all: a failure mail of the task goes by it."""

from __future__ import annotations

from dataclasses import dataclass

from .nas import DsmRefused, Nas

_WHERE = "Control Panel > Notification > Email"
_MAIL = "SYNO.Core.Notification.Mail"


@dataclass(frozen=True)
class Mail:
    """What is known of DSM's e-mail.

    Attributes:
        works: a test mail was accepted; None where it cannot be told.
        recipients: whom DSM mails.
        said: what was found, in words, with what to do.
    """

    works: bool | None
    recipients: tuple[str, ...]
    said: str


def read_mail(nas: Nas, *, send_test: bool) -> Mail:
    """Read DSM's e-mail settings and, if wanted and switched on, have it send a test mail."""
    try:
        settings = nas.web_api(f"{_MAIL}.Conf", "get", 1)
    except DsmRefused as error:
        return Mail(None, (), f"DSM does not tell its e-mail settings ({error}): look at {_WHERE}")
    recipients = tuple(str(one) for one in settings.get("mail") or ())
    if not settings.get("enable_mail") or not recipients:
        what = "is off" if not settings.get("enable_mail") else "has no recipient"
        return Mail(
            False,
            recipients,
            f"DSM's e-mail {what}: a failed run would be reported to nobody. Set it up at {_WHERE}",
        )
    whom = ", ".join(recipients)
    if not send_test:
        return Mail(None, recipients, f"DSM mails {whom}")
    try:
        nas.web_api(_MAIL, "send_test", 1)
    except DsmRefused as error:
        if error.code in {102, 103}:
            return Mail(None, recipients, f"DSM mails {whom}; whether it can, {_WHERE} tests")
        return Mail(False, recipients, f"DSM's test mail to {whom} was refused ({error}): look at {_WHERE}")
    return Mail(True, recipients, f"a test mail is on its way to {whom}")
