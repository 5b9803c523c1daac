"""The npm package's `Session` in Chromium, against the live project (R-201)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.conformance.browser import Authenticator
from tests.support.conformance.stage import Stage
from tests.support.live_project import LiveProject, code_in, wait_for
from tests.support.page_steps import ENDLESS_AUTOFILL
from tests.support.page_visitor import Visitor, visiting

PASSWORD = "correct horse battery staple"
PREPARE = """
async (orgId) => {
  globalThis.client = await import('/static/dfns_login/dist/signer.js')
  globalThis.session = new client.Session({ orgId })
  globalThis.told = []
  globalThis.stop = session.subscribe(() => told.push(session.signedIn))
  const named = (error) => (error instanceof client.Refusal ? error.code : error.name)
  globalThis.thrown = (promise) => promise.then(() => 'nothing', named)
}
"""
REGISTER = """
async ([name, code, password]) => {
  const challenge = await session.presentRegistrationCode(name, code)
  await session.signIn(await session.register(challenge, password), password)
}
"""
SIGN_OUT_BEFORE_THE_ANSWER = """
async () => {
  const send = fetch
  globalThis.fetch = async (url, options) => {
    const response = await send(url, options)
    if (url.endsWith('/auth/login')) await session.signOut()
    return response
  }
  const error = await thrown(session.signInWithPasskey())
  globalThis.fetch = send
  return [error, session.signedIn]
}
"""
WRONG_PROOF = """
thrown(session.api.signed('PUT', 'auth/sessions/end-others', {}, async (challenge) => (
  { firstFactor: await client.getPasskey({ ...challenge, challenge: 'another' }) }
)))
"""
OFFER = """
async () => {
  const leaving = new AbortController()
  const offer = (signal) => thrown(session.signInWithPasskey({ conditional: true, signal }))
  const offers = [undefined, leaving.signal, undefined].map(offer)
  leaving.abort()
  return Promise.all(offers.slice(0, 2))
}
"""
LONG_OFFER = """
() => {
  globalThis.leaving = new AbortController()
  globalThis.offered = thrown(session.signInWithPasskey({ conditional: true, signal: leaving.signal }))
}
"""
ABORT = """
async ([name, code, password]) => {
  const challenge = await session.presentCode(name, code)
  const leaving = new AbortController()
  const signingIn = thrown(session.signIn(challenge, password, { signal: leaving.signal }))
  leaving.abort()
  return [await signingIn, await thrown(session.requestCode(name, { signal: leaving.signal })), session.signedIn]
}
"""
REPEATED_WITH_A_WRONG_PASSWORD = """
async ([name, code, password]) => {
  const challenge = await session.presentCode(name, code)
  const send = fetch
  globalThis.fetch = () => Promise.reject(new TypeError('offline'))
  const first = await thrown(session.signIn(challenge, password))
  globalThis.fetch = send
  return [first, await thrown(session.signIn(challenge, 'wrong')), await thrown(session.signIn(challenge, password))]
}
"""
SIGN_OUT_WITH_A_BROKEN_LISTENER = """
async () => {
  const bearer = session.token
  session.subscribe(() => { throw new Error('broken listener') })
  const ended = await thrown(session.signOut())
  return [ended, await thrown(session.api.call('GET', 'auth/sessions', undefined, { bearer }))]
}
"""
SESSIONS = "session.api.call('GET', 'auth/sessions').then(({ items }) => items.length)"


@pytest.fixture
def visitor(browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    """An empty page of the project's origin, with a session."""
    with visiting(browser, url=scene.site.url) as visitor:
        visitor.page.route("**/empty", lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
        visitor.page.goto("/empty")
        visitor.page.evaluate(PREPARE, scene.organization)
        yield visitor


def test_a_session_tells_when_it_begins_and_ends(visitor: Visitor, scene: LiveProject, stage: Stage) -> None:
    """The server may end it: the next request says so. A wrong signature doesn't end it."""
    person = stage.invited()

    def do(script: str, given: object = None) -> Any:
        return visitor.page.evaluate(script, given)

    authenticator = Authenticator.plugged_into(visitor.page)
    do(REGISTER, [person.email, person.registration_code, PASSWORD])
    do("session.addPasskey('Laptop')")
    do("session.signOut()")
    assert len(authenticator.passkeys()) == 1
    assert do("told.splice(0)") == [True, False]
    do("session.signInWithPasskey()")
    assert do(WRONG_PROOF) == "not_authorized"
    assert do("told.splice(0)") == [True]
    token = do("session.token")
    assert do(SIGN_OUT_BEFORE_THE_ANSWER) == ["AbortError", False]
    assert do("thrown(session.api.call('GET', 'auth/sessions'))") == "not_authorized"
    assert do("told.splice(0)") == [False]
    do("session.signInWithPasskey()")
    assert do(SESSIONS) == 1  # what the interrupted sign-in opened has ended, too
    assert do("session.token") != token
    scene.call("PUT", "/auth/logout", bearer=do("session.token"))
    assert do("thrown(session.signed('PUT', 'auth/sessions/end-others'))") == "not_authorized"
    assert do("[session.signedIn, session.token, ...told.splice(0)]") == [False, "", True, False]
    do("stop()")
    do("session.signInWithPasskey()")
    assert do("told") == []


def test_an_aborted_sign_in_sends_nothing_more(visitor: Visitor, scene: LiveProject, stage: Stage) -> None:
    person = stage.invited()
    visitor.page.evaluate(REGISTER, [person.email, person.registration_code, PASSWORD])
    visitor.page.evaluate("(name) => session.signOut().then(() => session.requestCode(name))", person.email)
    code = code_in(scene.mail_to(person.email, number=2))
    visitor.sent.clear()
    told = visitor.page.evaluate(ABORT, [person.email, code, PASSWORD])
    assert told == ["AbortError", "AbortError", False]
    assert [each.url.partition("/auth/")[2] for each in visitor.sent if "/auth/" in each.url] == ["login/init"]


def test_a_request_for_a_passkey_ends_the_offer_in_the_autofill(visitor: Visitor, stage: Stage) -> None:
    person, page = stage.invited(), visitor.page
    authenticator = Authenticator.plugged_into(page)
    page.evaluate(REGISTER, [person.email, person.registration_code, PASSWORD])
    page.evaluate("session.addPasskey().then(() => session.signOut())")
    authenticator.verify_user(verified=False)  # nobody chooses
    assert page.evaluate(OFFER) == ["AbortError", "AbortError"]
    authenticator.verify_user(verified=True)
    assert page.evaluate("thrown(session.signInWithPasskey())") == "nothing"


def test_an_offer_in_the_autofill_gets_a_new_challenge_before_the_last_one_expires(visitor: Visitor) -> None:
    page = visitor.page
    page.clock.install()
    page.evaluate(f"{ENDLESS_AUTOFILL}\nundefined")
    page.evaluate(LONG_OFFER)
    for number in range(1, 4):
        wait_for(partial(page.evaluate, f"globalThis.offers === {number}"), what=lambda: "offer")
        page.clock.fast_forward("03:00")
        assert page.evaluate("offers") == number
        page.clock.fast_forward("01:30" if number < 3 else "00:00")
    page.evaluate("leaving.abort()")
    assert page.evaluate("offered") == "AbortError"
    page.clock.fast_forward("30:00")
    assert len([each for each in visitor.sent if each.url.endswith("/auth/login/init")]) == 3


def test_a_sign_in_that_failed_needs_the_password_again(visitor: Visitor, scene: LiveProject, stage: Stage) -> None:
    """The key that the first try decrypted is forgotten."""
    person, page = stage.invited(), visitor.page
    page.evaluate(REGISTER, [person.email, person.registration_code, PASSWORD])
    page.evaluate("(name) => session.signOut().then(() => session.requestCode(name))", person.email)
    code = code_in(scene.mail_to(person.email, number=2))
    told = page.evaluate(REPEATED_WITH_A_WRONG_PASSWORD, [person.email, code, PASSWORD])
    assert told == ["UnreachableError", "WrongPasswordError", "nothing"]


def test_signing_out_ends_the_session_even_if_a_listener_throws(visitor: Visitor, stage: Stage) -> None:
    person = stage.invited()
    visitor.page.evaluate(REGISTER, [person.email, person.registration_code, PASSWORD])
    assert visitor.page.evaluate(SIGN_OUT_WITH_A_BROKEN_LISTENER) == ["nothing", "not_authorized"]
    wait_for(lambda: visitor.problems, what=lambda: "the listener's error")
    assert [problem.partition(":")[0] for problem in visitor.problems] == ["uncaught"]
    visitor.problems.clear()


def test_signing_out_ends_an_offer_in_the_autofill(visitor: Visitor) -> None:
    visitor.page.evaluate(f"{ENDLESS_AUTOFILL}\nundefined")
    visitor.page.evaluate(LONG_OFFER)
    wait_for(partial(visitor.page.evaluate, "globalThis.offers === 1"), what=lambda: "offer")
    visitor.page.evaluate("session.signOut().then(() => void offered.then((error) => (globalThis.ending = error)))")
    wait_for(partial(visitor.page.evaluate, "globalThis.ending === 'AbortError'"), what=lambda: "end of the offer")
