"""The pages, whose scripts call the API, which decides; and `/lock/`, which needs no script.

Each page itself decides what to show to whom, so none is left to Django's `LoginRequiredMiddleware`.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language

from dfns_login.browsers import (
    after_sign_in,
    forget_ended,
    forget_organizations,
    own_path,
    remembered_organizations,
    resolve_browser_session,
    sign_in_page,
    was_turned_away,
    why_ended,
)
from dfns_login.ceremonies.lockdown import lock_down
from dfns_login.ceremonies.login import LoginRequest, open_login
from dfns_login.models import CodePurpose, Organization
from dfns_login.pages.choices import language_context, organization_context
from dfns_login.pages.compression import compressed, leave_uncompressed
from dfns_login.pages.headers import guarded
from dfns_login.proofs import DIGITS, OpenedChallenge, code_format, find_lock_link
from dfns_login.requester import Requester
from dfns_login.settings import login_settings


@login_not_required
@compressed
@guarded
@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show `/login/`, or redirect a person who is signed in.

    `?next=` is a path of this site, `?organization=` the id of an organization. With `?again=`, a person who is signed
    in may sign in once more. The page says once why the browser is not signed in.
    """
    now = timezone.now()
    session = resolve_browser_session(request, now=now)
    if "again" not in request.GET and session is not None:
        return redirect(after_sign_in(request.GET.get("next", "")))
    context = _context(request, remembered=remembered_organizations(request))
    context["passkey"] = _passkey_challenge(request, context["organization_id"])
    context["reason"] = "again" if session else why_ended(request, now=now)
    context["unsaved"] = was_turned_away(request)
    if context["reason"] or context["unsaved"]:
        leave_uncompressed(request)
    response = render(request, "dfns_login/sign_in.html", context)
    forget_ended(request, response)
    return response


@login_not_required
@compressed
@guarded
@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """Show `/register/`, which invitations link to."""
    may_sign_up = bool(login_settings().sign_up)
    return render(request, "dfns_login/register.html", {**_context(request), "may_sign_up": may_sign_up})


@login_not_required
@compressed
@guarded
@require_safe
def recover(request: HttpRequest) -> HttpResponse:
    """Show `/recover/`."""
    context = _context(request, remembered=remembered_organizations(request))
    return render(request, "dfns_login/recover.html", context)


@login_not_required
@guarded
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Show `/account/`, or redirect to the sign-in page, which redirects back."""
    return _page_of_account(request, "dfns_login/account.html")


@login_not_required
@guarded
@require_safe
def secure(request: HttpRequest) -> HttpResponse:
    """Show `/account/secure/`, which notices link to: what to do when somebody else may be using the account."""
    return _page_of_account(request, "dfns_login/secure.html")


@login_not_required
@guarded
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def lock(request: HttpRequest) -> HttpResponse:
    """Show `/lock/`, which notices link to, or lock the account that the link belongs to.

    Only the form's POST locks: link scanners follow links. It needs no script, session or cookie. A page of another
    site cannot send the form, because it doesn't know the token.
    """
    sent = request.POST.get("token", "")  # before the clock is read, because a form can be held back
    now = timezone.now()
    conf = login_settings()
    hours, days = conf.lock_duration // timedelta(hours=1), conf.lock_link_lifetime // timedelta(days=1)
    context = {**_context(request), "languages": (), "lock_hours": hours, "link_days": days}
    if request.method == "POST":
        locked = lock_down(sent, requester=Requester.of(request), now=now)
        return render(request, "dfns_login/lock.html", {**context, "locked": locked}, status=200 if locked else 404)
    token = request.GET.get("token", "")
    works = find_lock_link(token, now=now) is not None
    return render(
        request, "dfns_login/lock.html", {**context, "token": token if works else ""}, status=200 if works else 404
    )


@login_not_required
@guarded
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out. For a form on the project's own pages."""
    logout(request)  # the receiver of its signal ends the session
    return redirect("dfns_login:sign-in")


@login_not_required
@guarded
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Show the page that the form is on in another language, as Django's `set_language` does."""
    here = own_path(request.POST.get("next", ""))
    return set_language(request) if here else redirect("dfns_login:sign-in")


@login_not_required
@guarded
@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """Forget the organizations that this browser has signed in to."""
    response = redirect(sign_in_page(request.POST.get("next", "")))
    forget_organizations(request, response)
    return response


def _page_of_account(request: HttpRequest, template: str) -> HttpResponse:
    session = resolve_browser_session(request, now=timezone.now())
    if session is None:
        return redirect(sign_in_page(request.path))
    organization = session.account.organization
    mine = {"account": session.account, "organization": organization, "organization_id": organization.pk}
    return render(request, template, {**_context(request), **mine})


def _context(request: HttpRequest, *, remembered: Sequence[Organization] = ()) -> dict[str, Any]:
    """Return the context of every page.

    remembered: organizations that the page may be for, and offers.
    codes: by purpose, the length of a code and the keyboard that a phone shows for it. Durations are in seconds.
    code_minutes: how long a code can be valid, for the scripts' texts. They show less than three minutes as a clock.
    """
    conf = login_settings()
    return {
        **organization_context(request, remembered=remembered),
        **language_context(request),
        "next": own_path(request.GET.get("next", "")),
        "base": reverse("dfns_login:login").removesuffix("auth/login"),
        "rp_name": conf.rp_name,
        "rp_id": conf.rp_id,
        "support_email": conf.support_email,
        "help_url": conf.help_url,
        "inbox_links": conf.inbox_links,
        "code_lifetime": _seconds(conf.code_lifetime),
        "code_minutes": range(3, min(60, ceil(conf.code_lifetime / timedelta(minutes=1))) + 1),
        "code_cooldown": _seconds(conf.code_cooldown),
        "codes": {purpose.value: _code_field(purpose) for purpose in CodePurpose},
        "passkey_lifetime": _seconds(conf.challenge_lifetime),
        "challenge_lifetime": _seconds(conf.challenge_lifetime_with_code),
    }


def _passkey_challenge(request: HttpRequest, organization_id: str) -> OpenedChallenge | None:
    """Open a challenge for the passkeys that browsers offer in the email field. Nothing is stored.

    None if the organization is not known yet, or requires a second factor, which `login/init` shows to anybody too.
    """
    if not organization_id:
        return None
    asked = LoginRequest(organization=organization_id)
    opened = open_login(asked, requester=Requester.of(request), now=timezone.now())
    return None if any(each.requires_second_factor for each in opened.supported) else opened.opened


def _code_field(purpose: CodePurpose) -> dict[str, str]:
    form = code_format(purpose)
    return {"length": str(form.length), "inputmode": "text" if set(form.alphabet) - set(DIGITS) else "numeric"}


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
