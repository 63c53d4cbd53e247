"""The page that whoever is not signed in sees: why, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from segloop.settings import Settings

STYLE = """
:root { color-scheme: light dark; --text: #1c2530; --soft: #5a6673; --line: #d5dbe2; --ground: #f4f6f8; --card: #fff;
  --act: #1559b7; --act-text: #fff }
@media (prefers-color-scheme: dark) { :root { --text: #e8ecf1; --soft: #a3aebb; --line: #333c47; --ground: #0f1318;
  --card: #181e25; --act: #8ab8ff; --act-text: #0f1318 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground);
  color: var(--text); font: 1rem/1.55 system-ui, sans-serif }
main { width: 100%; max-width: 27rem; padding: 2.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px }
h1 { margin: 0 0 .25rem; font-size: 1.6rem; letter-spacing: -.01em }
p { margin: 0 0 1rem } .soft { color: var(--soft); font-size: .9rem }
.reason { margin: 1.25rem 0; font-weight: 600 }
.act { display: block; margin: 0 0 1.25rem; padding: .7rem 1rem; border-radius: 8px; background: var(--act);
  color: var(--act-text); text-align: center; text-decoration: none; font-weight: 600 }
button.act { width: 100%; border: 0; font: inherit; font-weight: 600; cursor: pointer }
.act:focus-visible { outline: 3px solid var(--text); outline-offset: 2px }
code { white-space: nowrap }
footer { border-top: 1px solid var(--line); padding-top: 1rem } footer p { margin: 0 }
"""
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Segloop: sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><main><h1>Segloop</h1><p class="soft">Interactive CT segmentation</p><p class="reason" role="status">{reason}</p>
{ways}<footer><p class="soft">Research use only; not a medical device.</p></footer></main></body></html>"""
BY_PROVIDER = '<a class="act" href="{href}">{text}</a>'
BY_CODE = """<form method="post" action="{action}"><input type="hidden" name="{field}" value="{code}">
<button class="act" autofocus>Sign in</button></form>
<p class="soft">It opens once, for the person it was made for. If you did not ask for it, close this page.</p>"""
BY_LINK = """<p class="soft">{lead} {contact} for a link that signs you in; each opens once.</p>
<p class="soft">Or make one on the machine that runs Segloop: <code>./segloop admin link</code></p>"""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}

TO_OURSELVES = {
    # Without a referrer a browser names no origin either, and who names none may change nothing.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace(
        "form-action 'none'", "form-action 'self'"
    ),
}


@dataclass(frozen=True)
class Notice:
    """Writes the page for an installation."""

    has_provider: bool
    provider: str
    contact: str

    @classmethod
    def of(cls, settings: Settings) -> "Notice":
        """Return what an installation's settings make of it."""
        contact = settings.contact or "a site admin of this installation"
        return cls(bool(settings.oidc_issuer), settings.oidc_name, contact)

    def page(
        self, reason: str, status_code: int = 401, *, to: str = "/", again: bool = False
    ) -> HTMLResponse:
        """Return the page; its button leads to the provider and from there to the path `to`.

        `again` says that somebody comes back from there. Who may not come in (403) is offered to take another account.
        """
        ways = ""
        if self.has_provider:
            text = f"Sign in with {self.provider}" if self.provider else "Sign in"
            query = {} if to == "/" else {"to": to}
            if again:
                text = "Try again" if status_code != 403 else "Use another account"
                query |= {} if status_code != 403 else {"account": "another"}
            href = f"/sign-in?{urlencode(query)}" if query else "/sign-in"
            ways = BY_PROVIDER.format(href=escape(href), text=escape(text))
        lead = "No access? Ask" if self.has_provider else "Ask"
        ways += BY_LINK.format(lead=lead, contact=escape(self.contact))
        return _answer(reason, ways, status_code, {"Retry-After": "30"} if status_code == 503 else {})

    def ask(self, code: str, *, action: str, field: str) -> HTMLResponse:
        """Return the page that a one-time link opens: its code is used by a person's click, not by whatever looks at links in mails."""
        ways = BY_CODE.format(action=action, field=field, code=escape(code))
        return _answer("You were given a link to sign in.", ways, 200, TO_OURSELVES)


def _answer(reason: str, ways: str, status_code: int, headers: Mapping[str, str]) -> HTMLResponse:
    body = PAGE.format(style=STYLE, reason=escape(reason), ways=ways)
    return HTMLResponse(body, status_code=status_code, headers={**HEADERS, **headers})


def safe_path(to: str) -> str:
    """Return a path of these pages as it is, and the start page for everything that could lead elsewhere."""
    is_ours = to.startswith("/") and not to.startswith("//") and to.isprintable() and "\\" not in to
    return (
        to if is_ours and len(to) <= 2000 and not to.startswith(("/sign-", "/signed-out", "/api/")) else "/"
    )
