"""The pages' own inline scripts: what the content security policy lets run, by the hash of each."""

HIDE_NAMES_COOKIE, YES = "segloop_hide_names", "1"
"""What a browser keeps where names are hidden in it."""


def remember_names(*, is_hidden: bool) -> str:
    """Return the script that lets the browser keep for a year that names are hidden, or forget it; nothing of it is secret."""
    lasts = f"{YES}; max-age={365 * 86400}" if is_hidden else "; max-age=0"
    return f"document.cookie = '{HIDE_NAMES_COOKIE}={lasts}; path=/; samesite=strict'"


ALL = tuple(remember_names(is_hidden=one) for one in (True, False))
