"""Names that people give to credentials and organizations."""

from dfns_login.errors import BodyRefused


def checked_name(text: str, *, field: str) -> str:
    """Return the name without surrounding spaces.

    field: the name's field, for `details`.
    Raises: BodyRefused, if the name is empty or contains a character that is not printable, such as a line break, an
    escape or a direction mark. These can make a page, an email or a terminal show another name.
    """
    name = text.strip()
    if not name or not name.isprintable():
        raise BodyRefused("name not allowed", details={field: ["Enter a name of printable characters."]})
    return name
