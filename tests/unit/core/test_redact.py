"""What must not be read is masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.redact import Redactor


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("token=hunter2hunter2.", "token=[masked]."),
        ("hunter2hunter2hunter2hunter2", "[masked][masked]"),
        ("hunter2", "hunter2"),
        ("a+b.c*d(e", "[masked]"),
        ("http://weixin.qq.com/x/AbC-_9 ok", "[masked] ok"),
        ("https://login.weixin.qq.com/l/AbC==", "[masked]"),
        ("HTTPS://LOGIN.WEIXIN.QQ.COM/l/AbC==", "[masked]"),
        ('"https://login.wechat.com/l/x"', '"[masked]"'),
        ("https://wechaty.js.org/qrcode/http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC", "[masked]"),
        ("https://api.qrserver.com/v1/create-qr-code/?data=http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC&size=9", "[masked]"),
        ("data=http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC", "data=[masked]"),
        ("http://weixin.qq.com", "http://weixin.qq.com"),
        ("https://example.com/l/x", "https://example.com/l/x"),
        ("", ""),
    ],
)
def test_secrets_and_login_payloads_are_masked(text: str, masked: str) -> None:
    assert Redactor(["hunter2hunter2", "a+b.c*d(e", "", "ab"]).mask(text) == masked


def test_longer_secret_hides_the_shorter_one_in_it() -> None:
    assert Redactor(["secret", "secret-and-more"]).mask("secret-and-more secret") == "[masked] [masked]"


def test_secrets_do_not_show_when_it_is_printed() -> None:
    assert "hunter2" not in repr(Redactor(["hunter2hunter2"]))


@given(st.text(), st.text(st.characters(categories=["L", "N"]), min_size=6), st.text())
def test_known_secret_never_comes_through(before: str, secret: str, after: str) -> None:
    masked = Redactor([secret]).mask(before + secret + after)

    assert secret not in masked or secret in "[masked]"
