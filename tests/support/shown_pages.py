"""Fetch everything that a live project shows: its pages, the whole admin, errors, the OpenAPI document, commands."""

import re
from collections import deque
from collections.abc import Mapping
from typing import Final

from tests.support.account_journey import cookie_header, cookies_of
from tests.support.live_project import LiveProject
from tests.support.traces import Traces

ADMIN_PASSWORD: Final = "correct-admin-battery-staple"
MAKE_ADMIN: Final = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("root", "root@example.co", {password!r})
"""
PAGES: Final = (
    "/",
    "/login/",
    "/register/",
    "/recover/",
    "/account/",
    "/account/secure/",
    "/auth/credentials",
    "/auth/sessions",
)
COMMANDS: Final = (("dfns", "doctor"), ("dfns", "doctor", "--json"), ("check",))
MOST_PAGES: Final = 250
LINK: Final = re.compile(r'href="(/admin/[^"#?]*(?:\?[^"#]*)?|\?[^"#]*)"')


def shown_by(scene: LiveProject, *, cookies: Mapping[str, str]) -> Traces:
    """Return what the project shows, by place. cookies: of a browser that is signed in."""
    signed_in = {"Cookie": cookie_header(cookies)}
    pages = {path: scene.http.get(path, headers=signed_in) for path in PAGES}
    assert {path for path, page in pages.items() if page.is_success} >= {"/account/", "/auth/credentials"}
    return {
        "pages": b"\n".join(path.encode() + page.content for path, page in pages.items()),
        "admin": b"\n".join(admin_pages(scene)),
        "errors": b"\n".join(errors(scene, signed_in)),
        "OpenAPI": scene.http.get("/auth/openapi.json").content + scene.http.get("/.well-known/jwks.json").content,
        "commands": "\n".join(scene.site.manage(*command) for command in COMMANDS).encode(),
    }


def errors(scene: LiveProject, headers: Mapping[str, str]) -> list[bytes]:
    """Send what is refused: each answer's head and body."""
    refused = [
        scene.http.get("/nothing", headers=headers),
        scene.http.get("/auth/nothing", headers=headers),
        scene.http.post("/auth/login/init", content=b"{", headers={**headers, "Content-Type": "application/json"}),
        scene.http.post("/auth/login", json={}, headers=headers),
        scene.http.put("/auth/logout", json={"allSessions": 3}, headers=headers),
        scene.http.get("/account/", headers={**headers, "Host": "elsewhere.example"}),
        scene.http.get("/admin/dfns_login/account/nobody/change/", headers=headers),
    ]
    assert {each.is_success for each in refused} == {False}
    return [repr(dict(each.headers)).encode() + each.content for each in refused]


def admin_pages(scene: LiveProject) -> list[bytes]:
    """Follow every link of the admin, as a superuser."""
    scene.site.manage("shell", "--no-imports", "-c", MAKE_ADMIN.format(password=ADMIN_PASSWORD))
    cookies = cookies_of(scene.http.get("/admin/login/"))
    form = {"username": "root", "password": ADMIN_PASSWORD, "csrfmiddlewaretoken": cookies["__Host-csrftoken"]}
    answer = scene.http.post("/admin/login/", data=form, headers={"Cookie": cookie_header(cookies)})
    assert answer.status_code == 302, answer.text
    headers = {"Cookie": cookie_header(cookies | cookies_of(answer))}
    found: dict[str, bytes] = {}
    left = deque(["/admin/"])
    while left and len(found) < MOST_PAGES:
        path = left.popleft()
        if path in found or "logout" in path or "/password_change" in path or "/auth/" in path:
            continue
        page = scene.http.get(path, headers=headers)
        found[path] = page.content
        base = path.partition("?")[0]
        links = [link if link.startswith("/") else base + link for link in LINK.findall(page.text)]
        left.extend(link.replace("&amp;", "&") for link in links)
    return list(found.values())
