"""The screenshots in `docs/screenshots`. With WRITE_SCREENSHOTS=1, tests take them again (`make screenshots`)."""

import base64
import os
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, FloatRect, Page

from tests.support.javascript_clients import CLIENTS

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
WRITING: Final = "WRITE_SCREENSHOTS" in os.environ
FONT: Final = CLIENTS / "node_modules" / "@fontsource-variable" / "inter" / "files" / "inter-latin-wght-normal.woff2"
"""Close to the fonts of phones and laptops, which the machine that takes the pictures doesn't have."""
USE_FONT: Final = """
document.fonts.add(new FontFace('Inter', Uint8Array.fromBase64('%s'), { weight: '100 900' }))
const sheet = new CSSStyleSheet()
sheet.replaceSync(`
  @layer dfns_login { :root { --dfns-font: Inter, system-ui } }
  :root { --font-family-primary: Inter, system-ui !important }
`)
document.adoptedStyleSheets = [sheet]
"""
TALLEST: Final = 1000
"""Pixels. What is below is left out."""
HEIGHT: Final = "document.documentElement.scrollHeight"
COMPRESS: Final = """async ([png, quality]) => {
  const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob())
  const canvas = new OffscreenCanvas(picture.width * 0.7, picture.height * 0.7)
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height)
  const blob = await canvas.convertToBlob({ type: 'image/webp', quality })
  return new Uint8Array(await blob.arrayBuffer()).toBase64()
}"""


def font_script() -> str:
    """Return the script that gives a page the font of the screenshots, whatever its policy."""
    return USE_FONT % base64.b64encode(FONT.read_bytes()).decode() if WRITING else ""


class Album:
    """Takes screenshots under names such as `sign-in.code` and keeps them compressed, as WebP."""

    def __init__(self, browser: Browser) -> None:
        self.names: set[str] = set()
        self._lab = browser.new_page()

    def take(self, page: Page, name: str, *, quality: float = 0.25) -> None:
        assert name not in self.names, name
        self.names.add(name)
        if not WRITING:
            return
        page.mouse.move(0, 0)  # the last click left it on something that it highlights
        if page.locator("dialog[open]").count():
            png = page.screenshot(animations="disabled")
        else:
            assert page.viewport_size
            height = min(float(page.evaluate(HEIGHT)), TALLEST)
            clip: FloatRect = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
            png = page.screenshot(full_page=True, animations="disabled", clip=clip)
        (FOLDER / f"{name}.webp").write_bytes(self._compressed(png, quality))

    def take_once(self, page: Page, name: str) -> None:
        """Take a screenshot the first time that the page comes to this name."""
        if name not in self.names:
            self.take(page, name)

    def compare(self) -> None:
        """Compare the names with the files. With WRITE_SCREENSHOTS=1, remove the files that are left over."""
        files = {each.stem for each in FOLDER.glob("*.webp")}
        if WRITING:
            for name in files - self.names:
                (FOLDER / f"{name}.webp").unlink()
            return
        assert files == self.names, "Run `make screenshots`."

    def close(self) -> None:
        self._lab.close()

    def _compressed(self, png: bytes, quality: float) -> bytes:
        return base64.b64decode(self._lab.evaluate(COMPRESS, [base64.b64encode(png).decode(), quality]))
