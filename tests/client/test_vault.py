"""The vault in a browser: its worker, and the page's policies."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.client.test_envelope import a_key, pem_of
from tests.support.age import age_file, armor
from tests.support.client_runners import POLICY, ClientError, PageClient, page_client


@pytest.fixture(scope="module")
def envelope() -> str:
    return armor(age_file(pem_of(a_key()), passphrase="password", work_factor=8))


def test_the_vault_works_under_the_pages_policy(in_chromium: PageClient, envelope: str) -> None:
    in_chromium.do("open", envelope=envelope, password="password")
    assert in_chromium.violations == []


def test_the_worker_ends_when_it_has_no_more_work(in_chromium: PageClient, envelope: str) -> None:
    with in_chromium.page.expect_worker() as started:
        in_chromium.do("open", envelope=envelope, password="password")
    assert started.value.url.endswith("/dist/envelope.worker.js")
    in_chromium.page.wait_for_timeout(100)
    assert in_chromium.page.workers == []


def test_two_envelopes_can_be_decrypted_at_once(in_chromium: PageClient, envelope: str) -> None:
    asked = {"do": "open", "envelope": envelope, "password": "password"}
    said = in_chromium.page.evaluate("asked => Promise.all([answer(asked), answer({...asked, password: ''})])", asked)
    assert [list(each) for each in said] == [["answer"], ["error"]]
    assert said[1]["error"]["name"] == "WrongPasswordError"


def test_closing_a_vault_cancels_its_work_and_keeps_it_usable(in_chromium: PageClient, envelope: str) -> None:
    with pytest.raises(ClientError) as thrown:
        in_chromium.do("openAndClose", envelope=envelope, password="password")
    assert thrown.value.name == "VaultError"
    in_chromium.do("open", envelope=envelope, password="password")


@pytest.mark.parametrize(
    ("allowed", "instead"),
    [
        ("trusted-types dfns-login", "trusted-types another"),
        ("trusted-types dfns-login", "trusted-types 'none'"),
        ("worker-src 'self'", "worker-src 'none'"),
    ],
)
def test_a_blocked_worker_is_reported(
    browser: Browser, tmp_path: Path, envelope: str, allowed: str, instead: str
) -> None:
    """The key is not decrypted on the page's thread instead."""
    with page_client(browser, tmp_path, policy=POLICY.replace(allowed, instead)) as client:
        with pytest.raises(ClientError) as thrown:
            client.do("open", envelope=envelope, password="password")
        assert thrown.value.name == "VaultError"


def test_the_policy_allows_no_other_script(in_chromium: PageClient, envelope: str) -> None:
    in_chromium.do("open", envelope=envelope, password="password")  # creates the policy
    again = in_chromium.page.evaluate(
        "() => { try { trustedTypes.createPolicy('dfns-login', {createScriptURL: url => url}) }"
        " catch (error) { return error.name } }"
    )
    plain = in_chromium.page.evaluate(
        "() => { try { new Worker('/dist/envelope.worker.js') } catch (error) { return error.name } }"
    )
    assert (again, plain) == ("TypeError", "TypeError")
    in_chromium.violations.clear()
