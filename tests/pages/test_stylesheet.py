"""The design language: what the templates use, the stylesheet has and the docs list are the same (R-190)."""

import re
from pathlib import Path

from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "dfns_login" / "static" / "dfns_login"
BASICS, OTHERS = ((STATIC / name).read_text() for name in ("basics.css", "pages.css"))
STYLESHEET = BASICS + OTHERS
TEMPLATES = [*(ROOT / "dfns_login" / "templates" / "dfns_login").rglob("*.html")]
DOCS = (ROOT / "docs" / "pages.md").read_text()
FOR_SCRIPTS = {"--dfns-part", "--dfns-icon", "--dfns-fill"}
"""Properties that rules or scripts set themselves."""


THEMES = sorted((ROOT / "docs" / "themes").glob("*.css"))


def listed(heading: str) -> set[str]:
    """Return the names in the first column of the table below a heading of `docs/pages.md`."""
    section = DOCS.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}


def test_classes_are_the_same_everywhere() -> None:
    """R-190. No class without a rule, no rule without a use."""
    styled = set(re.findall(r"\.(dfns-[\w-]+)", STYLESHEET))
    source = "\n".join(template.read_text() for template in TEMPLATES if template.parent.name != "email")
    scripts = "\n".join(each.read_text() for each in (ROOT / "dfns_login" / "client" / "pages").glob("*.ts"))
    used = set(re.findall(r"(?<![\w/-])(dfns-[\w-]+)(?=[ \"{])", source)) | set(re.findall(r"'(dfns-[\w-]+)'", scripts))
    assert len(used) > 30
    assert used == styled == listed("Classes")


def whole(name: str) -> str:
    """Return a template with those that it includes and extends."""
    text = (STATIC.parents[1] / "templates" / name).read_text()
    others = re.findall(r'{% (?:include|extends) "([^"]+)"', text)
    return "".join([text, *(whole(other) for other in others)])


def test_the_sign_in_page_needs_the_basics_alone() -> None:
    """R-195. A class of its templates that only the other pages' stylesheet has would look like nothing."""
    used = set(re.findall(r"(?<![\w/-])(dfns-[\w-]+)(?=[ \"{])", whole("dfns_login/sign_in.html")))
    styled = set(re.findall(r"\.(dfns-[\w-]+)", BASICS))
    assert len(used) > 20
    assert used <= styled


def test_themes_set_custom_properties_alone() -> None:
    """R-190. And only those that the docs list."""
    assert len(THEMES) == 4
    for theme in THEMES:
        rules = re.sub(r"/\*.*?\*/", "", theme.read_text())
        found = re.fullmatch(r"\s*:root \{(.*)\}\s*", rules, re.DOTALL)
        assert found, theme
        names = {each.partition(":")[0].strip() for each in found[1].split(";")} - {"", "color-scheme"}
        assert names <= listed("Custom properties"), theme


def test_custom_properties_are_the_same_everywhere() -> None:
    """R-190. Every property has a default, a use and a line in the docs."""
    defined = set(re.findall(r"(--dfns-[\w-]+):", STYLESHEET)) - FOR_SCRIPTS
    used = set(re.findall(r"var\((--dfns-[\w-]+)", STYLESHEET)) - FOR_SCRIPTS
    assert defined == used == listed("Custom properties")


SHADES = ("100% 50%", "60% 35%", "40% 80%", "0% 0%", "0% 100%")
BRANDS = [f"hsl({hue} {shade})" for hue in range(0, 360, 15) for shade in SHADES]
ON = {
    "surface": ("text", "muted", "accent", "accent-hover", "success", "error"),
    "background": ("text", "muted", "accent", "accent-hover"),
    "field": ("text", "accent"),
    "accent-tint": ("text", "accent-hover"),
    "error-tint": ("text", "error"),
    "button": ("on-button",),
    "button-hover": ("on-button",),
    "success": ("surface",),
    "error": ("surface",),
}
"""What is written on what: 4.5:1."""
LINES = {
    "field": ("border", "focus", "error"),
    "surface": ("border", "warning", "button"),
    "background": ("border", "accent"),
}
"""Outlines and marks: 3:1."""
CONTRASTS = """({brands, schemes, pairs}) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const probe = document.body
  const luminance = (name) => {
    probe.style.color = `var(--dfns-${name})`
    canvas.fillStyle = getComputedStyle(probe).color
    canvas.fillRect(0, 0, 1, 1)
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const low = []
  for (const scheme of schemes) for (const brand of brands) {
    document.documentElement.style.colorScheme = scheme
    document.documentElement.style.setProperty('--dfns-brand', brand)
    for (const [under, above, least] of pairs) {
      const [dark, light] = [luminance(under), luminance(above)].sort((a, b) => a - b)
      const contrast = (light + 0.05) / (dark + 0.05)
      if (!(contrast >= least)) low.push(`${scheme} ${brand}: ${above} on ${under} ${contrast.toFixed(2)}`)
    }
  }
  return low
}"""


def test_every_brand_color_gives_enough_contrast(browser: Browser) -> None:
    """R-190. WCAG 1.4.3 and 1.4.11."""
    needed = ((ON, 4.5), (LINES, 3))
    pairs = [(under, name, least) for on, least in needed for under, names in on.items() for name in names]
    page = browser.new_page()
    page.set_content(f"<style>{STYLESHEET}</style>")
    low = page.evaluate(CONTRASTS, {"brands": BRANDS, "schemes": ["light", "dark"], "pairs": pairs})
    for theme in THEMES:
        page.set_content(f"<style>{STYLESHEET}</style><style>{theme.read_text()}</style>")
        # those that are for one scheme have it, and the others follow the browser
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(CONTRASTS, {"brands": [""], "schemes": [""], "pairs": pairs})
            low += [f"{theme.stem}: {each}" for each in found]
    page.close()
    assert low == []
