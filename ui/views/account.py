"""Who is signed in, and the way out, in the corner of every page."""

from html import escape

import streamlit as st

from segloop.errors import SegloopError
from ui.api_client import ApiClient

_KEPT = "signed_in_as"
# A form, not a link: signing out changes something, and a link can be followed without a person.
_CORNER = """<style>
.segloop-account {{ position: fixed; top: 0; right: 1rem; height: 3.75rem; z-index: 1000000; display: flex; align-items: center;
  gap: .6rem; font-size: .85rem }}
.segloop-account span {{ opacity: .75; max-width: 11rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }}
.segloop-account button {{ font: inherit; color: inherit; background: none; border: 1px solid currentColor; border-radius: .4rem;
  padding: .15rem .6rem; cursor: pointer; opacity: .85 }}
.segloop-account button:hover, .segloop-account button:focus-visible {{ opacity: 1; text-decoration: underline }}
[data-testid="stTopNav"] {{ max-width: calc(100% - 18rem); margin-right: auto }}
@media (max-width: 1200px) {{ /* the pages' names need the room, so the person's stands above the button, shortened */
  .segloop-account {{ flex-direction: column; justify-content: center; align-items: flex-end; gap: .1rem; font-size: .8rem }}
  .segloop-account span {{ max-width: 5.5rem; line-height: 1.2 }} .segloop-account button {{ padding: 0 .5rem }}
  [data-testid="stTopNav"] {{ max-width: calc(100% - 6.5rem) }} }}
</style><form class="segloop-account" method="post" action="/sign-out" title="{name}"><span>{name}</span>
<button type="submit">Sign out</button></form>"""


def corner(api: ApiClient) -> None:
    """Say who is signed in and offer to sign out."""
    # Kept for this session's client alone: another person may have signed in within the same browser.
    if st.session_state.get(_KEPT, (None, ""))[0] is not api:
        try:
            st.session_state[_KEPT] = api, api.me().name
        except SegloopError:
            return  # the page itself says what is wrong
    st.html(_CORNER.format(name=escape(st.session_state[_KEPT][1])))


def signed_out(*, has_provider: bool) -> None:
    """Tell whoever was signed out or switched off while the page was open, and how to come back."""
    if not has_provider:
        st.error("You are signed out. Reload the page to sign in again.")
        return
    st.error("You are signed out.")
    st.html('<a href="/sign-in" target="_self">Sign in again</a>')
