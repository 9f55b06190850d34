"""The pages that users see in a browser: sign in, and allow a device. Without scripts, and not in frames."""

import html
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from flytetemporal.errors import PermissionDenied

CSRF_COOKIE = "flyte_form"
CSRF_FIELD = "form_token"
MAX_LOCATION_CHARACTERS = 4096

HEADERS = {
    "Cache-Control": "no-store",
    # Without form-action: browsers apply it to redirects after a form, too, and those lead to clients on localhost.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 22rem; margin: 4rem auto; padding: 0 1rem }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box }}
input, button {{ font: inherit; padding: .5rem; margin: .25rem 0 1rem }}
.problem {{ color: #b00020 }}
</style></head><body><h1>{title}</h1>{content}</body></html>
"""
_SIGN_IN = """<form method="post" action="/login">
<label for="user">User</label><input id="user" name="user" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button></form>"""
_CODE = """<form method="get" action="/oauth2/device">
<label for="code">Code that the device shows</label><input id="code" name="user_code" required autofocus>
<button>Continue</button></form>"""
_DEVICE = """<p>You are signed in as <b>{user}</b>. The client <b>{client}</b> shows the code <b>{code}</b> and asks
to act as you. Allow this only if you have started it yourself just now.</p>
<form method="post" action="/oauth2/device">
<button name="decision" value="allow">Allow</button><button name="decision" value="deny">Deny</button></form>"""


def local_location(url: str) -> str:
    """Return a location on this server that a request names.

    Raises:
        PermissionDenied: it is elsewhere, or could be taken for elsewhere by a browser.
    """
    malformed = len(url) > MAX_LOCATION_CHARACTERS or not url.isascii() or not url.isprintable() or "\\" in url
    if not malformed and url.startswith("/") and not url.startswith("//"):
        parts = urlsplit(url)
        if not parts.scheme and not parts.netloc:
            return url
    raise PermissionDenied("redirect_url must be a path on this server, such as /console")


def sign_in(request: Request, location: str, problem: str = "", status: int = 200) -> Response:
    """Return the page on which a local user signs in."""
    return _form(request, "Sign in to Flyte", _SIGN_IN, {"redirect_url": location}, problem, status)


def ask_code(problem: str = "", status: int = 200) -> Response:
    """Return the page that asks for the code of a device."""
    return message("Connect a device", _problem(problem) + _CODE, status)


def allow_device(request: Request, user: str, client: str, code: str) -> Response:
    """Return the page on which a user allows a device, or denies it."""
    content = _DEVICE.format(user=html.escape(user), client=html.escape(client), code=html.escape(code))
    return _form(request, "Connect a device", content, {"user_code": code})


def message(title: str, content: str, status: int = 200) -> Response:
    """Return a page; ``content`` is HTML."""
    return HTMLResponse(_PAGE.format(title=html.escape(title), content=content), status, headers=HEADERS)


def text(title: str, words: str, status: int = 200) -> Response:
    """Return a page that says something."""
    return message(title, f"<p>{html.escape(words)}</p>", status)


def check_form(request: Request, values: Mapping[str, str]) -> None:
    """Check that a form was sent from a page of ours.

    Raises:
        PermissionDenied: it was not, or the browser keeps no cookies.
    """
    expected, given = request.cookies.get(CSRF_COOKIE, ""), values.get(CSRF_FIELD, "")
    if not expected or not secrets.compare_digest(expected.encode(), given.encode()):
        raise PermissionDenied("this form is not from this server, or is old: go back, load the page again and repeat")


def _form(
    request: Request, title: str, content: str, hidden: Mapping[str, str], problem: str = "", status: int = 200
) -> Response:
    token = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(32)
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
        for name, value in {**hidden, CSRF_FIELD: token}.items()
    )
    answer = message(title, _problem(problem) + content.replace("</form>", f"{fields}</form>"), status)
    secure = request.url.scheme == "https"
    answer.set_cookie(CSRF_COOKIE, token, httponly=True, secure=secure, samesite="strict")
    return answer


def _problem(words: str) -> str:
    return f'<p class="problem">{html.escape(words)}</p>' if words else ""
