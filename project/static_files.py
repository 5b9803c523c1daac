"""The storage of static files if `STATIC_ROOT` is set."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise has no types
    """Files with a hash in their names, compressed with brotli and gzip. Also with DEBUG, as in the demo."""

    def url(self, name: str | None, force: bool = True) -> str:  # noqa: FBT001, FBT002  Django's signature
        """Return the URL with the hash, which Django returns with DEBUG only if forced."""
        return str(super().url(name, force=force))
