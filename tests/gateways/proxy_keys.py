"""Who a key belongs to, for the proxy: `sk-NAME-NUMBER` is a key of user NAME."""

from litellm.proxy._types import UserAPIKeyAuth


async def whose(request, api_key):
    """The caller; an exception refuses."""
    _, name, _ = api_key.split("-")
    return UserAPIKeyAuth(api_key=api_key, user_id=name)
