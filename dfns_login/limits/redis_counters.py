"""Count all windows of a request in one call to Redis or Valkey."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django_ratelimit import core
from redis.exceptions import (
    ClusterCrossSlotError,
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    ResponseError,
)

from dfns_login.limits.redis_server import RedisServer
from dfns_login.limits.windows import LIFETIME_MARGIN, Counter, Exceeded, count_one_by_one

SCRIPT: Final = """
local index = 0
for limit, lifetime in string.gmatch(ARGV[1], '(%d+)/(%d+)') do
  index = index + 1
  local count = redis.call('INCR', KEYS[index])
  if count == 1 then redis.call('EXPIRE', KEYS[index], lifetime) end
  if count > tonumber(limit) then return index end
end
return 0
"""
"""Increments each counter until one is above its limit, and returns that one's position, or 0.

ARGV[1] holds limit/lifetime of each counter, the lifetime in seconds.
"""
SCRIPT_SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()

logger = logging.getLogger(__name__)


def count_in_one_call(counters: Sequence[Counter], *, server: RedisServer) -> Exceeded | None:
    """Count until a window is used up, and return that window. If the server cannot run scripts, count one by one.

    Raises: the errors of redis-py, OSError.
    """
    if not counters or not server.scripts_work:
        return count_one_by_one(counters)
    now = int(core.time.time())  # the clock of `count_one_by_one`
    prefix = getattr(settings, "RATELIMIT_CACHE_PREFIX", "rl:")
    ends = [counter.ends_at(now) for counter in counters]
    keys = [server.make_key(prefix + each.cache_key(end)) for each, end in zip(counters, ends, strict=True)]
    windows = [counter.window for counter in counters]
    limits = " ".join(f"{each.limit}/{each.period + LIFETIME_MARGIN}" for each in windows)
    try:
        position = _run_script(server, keys=keys, argument=limits)
    except (ResponseError, RedisClusterException) as error:
        if not is_unsupported(error):
            raise
        logger.warning("The cache cannot run scripts (%s). Rates are counted one by one.", type(error).__name__)
        server.scripts_work = False
        return count_one_by_one(counters)
    if position == 0:
        return None
    return Exceeded(window=windows[position - 1], seconds_left=ends[position - 1] - int(core.time.time()))


def _run_script(server: RedisServer, *, keys: Sequence[str], argument: str) -> int:
    try:
        return int(server.call("EVALSHA", SCRIPT_SHA, len(keys), *keys, argument) or 0)
    except NoScriptError:
        return int(server.call("EVAL", SCRIPT, len(keys), *keys, argument) or 0)


def is_unsupported(error: Exception) -> bool:
    """Whether the server or proxy cannot run the script. On a cluster, the counters may be on different nodes."""
    known = isinstance(error, ClusterCrossSlotError | NoPermissionError)
    return known or any(text in str(error) for text in ("unknown command", "same key slot"))
