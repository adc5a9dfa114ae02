"""Principals from tokens: what an issuer has signed for us is one, everything else is nobody."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import hmac
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import (
    ClaimNames,
    ConfigurationError,
    InvalidPrincipalError,
    InvalidTokenError,
    Principal,
    Settings,
    TokenVerifier,
)

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://id.example.org", "avatar"
SECRET = b"0123456789abcdef0123456789abcdef"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "exp": NOW + 60,
    "iat": NOW - 60,
    "sub": "ada",
    "tenant": "acme",
    "roles": ["sales", "legal"],
    "clearance": "internal",
}
ADA = Principal(user="ada", tenant="acme", roles={"sales", "legal"}, clearance="internal")
DELETE = object()


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


def jwk(key: Any, algorithm: str, **values: str) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return dict(made) | values


def verifier(**arguments: Any) -> TokenVerifier:
    given: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "clock": lambda: NOW}
    if not arguments.keys() & {"key_file", "secret"}:
        given["secret"] = SECRET
    return TokenVerifier(**given | arguments)


def token(
    key: Any = SECRET, algorithm: str | None = "HS256", headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    body = {name: value for name, value in (CLAIMS | claims).items() if value is not DELETE}
    return jwt.encode(body, key, algorithm=algorithm, headers=headers)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: object, body: object, secret: bytes = SECRET) -> str:
    """A token signed with HMAC-SHA256 that no library would make."""
    head = f"{part(header)}.{part(body)}"
    return f"{head}.{part(hmac.digest(secret, head.encode(), hashlib.sha256))}"


def refused(check: TokenVerifier, given: object) -> None:
    with pytest.raises(InvalidTokenError) as caught:
        check.principal(given)  # type: ignore[arg-type]
    assert isinstance(caught.value, InvalidPrincipalError)
    message = str(caught.value)
    for secret in ("ada", "acme", "sales", "legal", SECRET.decode(), *(str(given).split(".") if given else ())):
        assert secret not in message or len(secret) < 3


# ------------------------------------------------------------------------ right


def test_a_signed_token_is_its_principal() -> None:
    assert verifier().principal(token()) == ADA
    assert Principal.from_jwt(token(), verifier()) == ADA
    assert verifier().principal(token(aud=["other", AUDIENCE])) == ADA
    assert verifier().principal(token(iat=DELETE)) == ADA


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(rsa_key, "RS256"), (rsa_key, "PS384"), (ec_key, "ES256"), (ed_key, "EdDSA")],
)
def test_public_keys_as_pem_and_as_jwks(tmp_path: Path, key: Callable[[], Any], algorithm: str) -> None:
    file = tmp_path / "key"
    for content in (pem(key()), json.dumps({"keys": [jwk(key(), algorithm, alg=algorithm, kid="one")]}).encode()):
        file.write_bytes(content)
        check = verifier(key_file=file, algorithms=[algorithm])
        assert check.principal(token(key(), algorithm, {"kid": "one"})) == ADA
        assert check.principal(token(key(), algorithm)) == ADA


def test_claims_are_found_by_path() -> None:
    names = ClaimNames("user.name", "https://acme\\.example/tenant", "realm.roles", None)
    claims = {"user": {"name": "ada"}, "https://acme.example/tenant": "acme", "realm": {"roles": ["sales"]}}
    found = verifier(claims=names).principal(token(**claims, clearance=DELETE))
    assert found == Principal(user="ada", tenant="acme", roles={"sales"})
    refused(verifier(claims=names), token(**claims | {"realm": ["roles"]}))
    refused(verifier(claims=names), token(**claims | {"realm": {}}))


def test_no_roles_are_everyone_and_not_everything() -> None:
    assert verifier().principal(token(roles=[])).roles == {"everyone"}


def test_as_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(rsa_key()))
    for name, value in {
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWT_KEY_FILE": str(file),
        "JWT_ALGORITHMS": '["RS256"]',
        "JWT_ROLES_CLAIM": "groups.names",
        "JWT_CLEARANCE_CLAIM": "",
        "JWT_LEEWAY_S": "5",
    }.items():
        monkeypatch.setenv(f"KNOWLEDGE_{name}", value)
    check = TokenVerifier.from_settings(Settings.load(home=tmp_path), clock=lambda: NOW)
    found = check.principal(token(rsa_key(), "RS256", groups={"names": ["sales"]}, exp=NOW - 4))
    assert found == Principal(user="ada", tenant="acme", roles={"sales"}, clearance="internal")
    monkeypatch.delenv("KNOWLEDGE_JWT_ISSUER")
    with pytest.raises(ConfigurationError, match="KNOWLEDGE_JWT_ISSUER"):
        TokenVerifier.from_settings(Settings.load(home=tmp_path))


# ------------------------------------------------------------------------ wrong


@pytest.mark.parametrize(
    "claims",
    [
        *({name: DELETE} for name in CLAIMS if name != "iat"),
        {"iss": "https://evil.example.org"},
        {"iss": [ISSUER]},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"aud": f"{AUDIENCE} "},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": None},
        {"exp": math.nan},
        {"exp": math.inf},
        {"exp": 10**400},
        {"nbf": NOW + 1},
        {"nbf": "x"},
        {"iat": NOW + 1},
        {"iat": "x"},
        {"sub": ""},
        {"sub": "  "},
        {"sub": 7},
        {"sub": None},
        {"sub": ["ada"]},
        {"tenant": ""},
        {"tenant": "*"},
        {"tenant": "ACME"},
        {"tenant": ["acme"]},
        {"tenant": None},
        {"tenant": "acme' or true"},
        {"roles": "sales"},
        {"roles": "*"},
        {"roles": ["*"]},
        {"roles": ["sales", "sal*"]},
        {"roles": ["%"]},
        {"roles": ["?"]},
        {"roles": [" sales"]},
        {"roles": [""]},
        {"roles": [None]},
        {"roles": [["sales"]]},
        {"roles": {"sales": True}},
        {"roles": None},
        {"roles": ["r"] * 501},
        {"roles": ["a\x00b"]},
        {"clearance": "top secret"},
        {"clearance": "Internal"},
        {"clearance": "internal "},
        {"clearance": 3},
        {"clearance": None},
        {"clearance": ["restricted"]},
        {"clearance": "*"},
    ],
    ids=lambda claims: re.sub(" at 0x[0-9a-f]+", "", ascii(claims))[:60],  # workers must agree on the names
)
def test_one_wrong_claim_is_enough(claims: dict[str, Any]) -> None:
    given = {name: value for name, value in (CLAIMS | claims).items() if value is not DELETE}
    refused(verifier(), by_hand({"alg": "HS256"}, given))


def forgeries() -> list[tuple[str, str]]:
    """Tokens made without the secret, or from one that was made with it."""
    good = token()
    header, body, signature = good.split(".")
    higher = part(CLAIMS | {"clearance": "restricted"})
    return [
        ("alg none", f"{part({'alg': 'none', 'typ': 'JWT'})}.{body}."),
        ("alg None", f"{part({'alg': 'None'})}.{body}."),
        ("alg nOnE with a signature", f"{part({'alg': 'nOnE'})}.{body}.{signature}"),
        ("alg missing", f"{part({'typ': 'JWT'})}.{body}.{signature}"),
        ("alg null", f"{part({'alg': None})}.{body}.{signature}"),
        ("alg list", f"{part({'alg': ['HS256']})}.{body}.{signature}"),
        ("no signature", f"{header}.{body}."),
        ("other claims, old signature", f"{header}.{higher}.{signature}"),
        ("another secret", token(b"x" * 32)),
        ("empty secret", by_hand({"alg": "HS256"}, CLAIMS, b"")),
        ("another algorithm of the family", token(SECRET * 2, "HS512")),
        ("critical extension", by_hand({"alg": "HS256", "crit": ["exp"]}, CLAIMS)),
        ("unencoded payload", by_hand({"alg": "HS256", "b64": False}, CLAIMS)),
        ("two parts", f"{header}.{body}"),
        ("four parts", f"{good}.{signature}"),
        ("encrypted", ".".join([part({"alg": "dir", "enc": "A256GCM"}), "", part(b"x"), part(b"x"), part(b"x")])),
        ("body no object", by_hand({"alg": "HS256"}, b"[1]")),
        ("body no JSON", by_hand({"alg": "HS256"}, b"x")),
        ("body deep", by_hand({"alg": "HS256"}, b'{"a":' * 3000 + b"1" + b"}" * 3000)),
        ("header no object", f"{part([1])}.{body}.{signature}"),
        ("header no JSON", f"{part(b'x')}.{body}.{signature}"),
        ("padding", f"{good}="),
        ("space", f" {good}"),
        ("line", f"{good}\n"),
        ("prefix", f"Bearer {good}"),
        ("long", good + "A" * 20_000),
        ("letters", "é" + good),
    ]


@pytest.mark.parametrize(("name", "forged"), forgeries(), ids=lambda value: value[:24])
def test_forged_tokens(name: str, forged: str) -> None:
    refused(verifier(), forged)


@pytest.mark.parametrize("given", [None, "", b"x", 7, [], {"alg": "HS256"}])
def test_what_is_no_token(given: object) -> None:
    refused(verifier(), given)


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """The classic: sign with HS256, the public key taken for the secret."""
    file = tmp_path / "key.pem"
    file.write_bytes(pem(rsa_key()))
    check = verifier(key_file=file)
    refused(check, by_hand({"alg": "HS256", "typ": "JWT"}, CLAIMS, pem(rsa_key())))


def test_keys_in_the_token_are_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(rsa_key(), "RS256", kid="one")]}))
    check = verifier(key_file=file)
    stranger = rsa_key(2048, 1)
    for headers in (
        {"jwk": jwk(stranger, "RS256")},
        {"jku": "https://evil.example.org/keys"},
        {"kid": "one"},
        {"kid": "../../keys"},
        {"kid": "one", "x5u": "https://evil.example.org"},
    ):
        refused(check, token(stranger, "RS256", headers))
    refused(check, token(rsa_key(), "RS256", {"kid": "two"}))


def test_a_key_is_for_its_algorithm_only(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(rsa_key(), "RS256", kid="one", alg="RS256")]}))
    refused(verifier(key_file=file, algorithms=["RS256", "PS256"]), token(rsa_key(), "PS256", {"kid": "one"}))
    file.write_bytes(pem(ec_key()))
    refused(verifier(key_file=file, algorithms=["RS256"]), token(rsa_key(), "RS256"))


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "PS384"])
def test_a_key_that_names_no_algorithm_is_for_those_of_its_kind(tmp_path: Path, algorithm: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(rsa_key(), "RS256", kid="one")]}))
    assert verifier(key_file=file, algorithms=[algorithm]).principal(token(rsa_key(), algorithm, {"kid": "one"})) == ADA
    both = verifier(key_file=file, algorithms=[algorithm, "ES256"])
    refused(both, token(ec_key(), "ES256", {"kid": "one"}))
    file.write_text(json.dumps({"keys": [jwk(ec_key(), "ES256", kid="one")]}))
    assert both.principal(token(ec_key(), "ES256", {"kid": "one"})) == ADA
    refused(both, token(rsa_key(), algorithm, {"kid": "one"}))


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "RSA"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "use": "enc"},
        {"kty": ["RSA"]},
        3,
    ],
)
def test_a_key_that_is_not_understood_hides_no_other(tmp_path: Path, other: object) -> None:
    file = tmp_path / "keys.json"
    if isinstance(other, dict):
        other = {"kid": "two", **other}
    file.write_text(json.dumps({"keys": [other, jwk(rsa_key(), "RS256", kid="one")]}))
    check = verifier(key_file=file)
    assert check.principal(token(rsa_key(), "RS256", {"kid": "one"})) == ADA
    refused(check, token(rsa_key(), "RS256", {"kid": "two"}))


def test_keys_are_rotated_by_writing_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    old, new = rsa_key(), rsa_key(2048, 1)
    file.write_text(json.dumps({"keys": [jwk(old, "RS256", kid="old")]}))
    check = verifier(key_file=file)
    fresh = token(new, "RS256", {"kid": "new"})
    refused(check, fresh)
    file.write_text(json.dumps({"keys": [jwk(old, "RS256", kid="old"), jwk(new, "RS256", kid="new")]}))
    assert check.principal(fresh) == ADA
    file.write_text(json.dumps({"keys": [jwk(new, "RS256", kid="new")]}))
    refused(check, token(old, "RS256", {"kid": "old"}))
    file.unlink()
    assert check.principal(fresh) == ADA, "a file that is just being replaced changes nothing"


def test_a_revoked_token_is_none() -> None:
    revoked = {"ada"}
    check = verifier(revoked=lambda claims: claims["sub"] in revoked)
    refused(check, token())
    revoked.clear()
    assert check.principal(token()) == ADA


def test_a_token_can_be_too_old_while_it_is_valid() -> None:
    check = verifier(max_age_s=100)
    assert check.principal(token(iat=NOW - 100)) == ADA
    refused(check, token(iat=NOW - 101))
    refused(check, token(iat=DELETE))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"issuer": ""}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"secret": None}, "one key"),
        ({"secret": SECRET, "key_file": Path("x")}, "one key"),
        ({"secret": b"short"}, "32 bytes"),
        ({"algorithms": ["none"]}, "ALGORITHMS"),
        ({"algorithms": ["HS256", "none"]}, "ALGORITHMS"),
        ({"algorithms": ["RS256"]}, "ALGORITHMS"),
        ({"algorithms": []}, "ALGORITHMS"),
        ({"key_file": Path("/nowhere/key.pem")}, "cannot be read"),
        ({"key_file": Path("/nowhere/key.pem"), "algorithms": ["HS256"]}, "ALGORITHMS"),
    ],
)
def test_a_verifier_that_would_be_unsafe_is_not_made(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        verifier(**arguments)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "AAAA"}]}',
        b'{"keys": [1]}',
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
)
def test_a_file_without_a_public_key(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="contains no public key"):
        verifier(key_file=file)


def test_a_file_of_private_or_several_pem_keys_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(json.dumps({"keys": [jwk(rsa_key(), "RS256") | {"d": "AAAA"}]}))
    with pytest.raises(ConfigurationError, match="holds a private key"):
        verifier(key_file=file)
    file.write_bytes(pem(rsa_key()) + pem(ec_key()))
    with pytest.raises(ConfigurationError, match="several PEM keys"):
        verifier(key_file=file)


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(rsa_key(1024)))
    with pytest.raises(ConfigurationError, match="less than 2048 bits"):
        verifier(key_file=file)


# ------------------------------------------------------------------- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), JSON, min_size=1, max_size=3))
def test_whatever_is_signed_gives_what_it_says_or_nobody(changes: dict[str, Any]) -> None:
    claims = CLAIMS | changes
    try:
        found = verifier().principal(by_hand({"alg": "HS256"}, claims))
    except InvalidTokenError:
        return
    assert (found.user, found.tenant, found.clearance) == (claims["sub"], claims["tenant"], claims["clearance"])
    assert found.roles == {*claims["roles"], "everyone"}
    assert (claims["iss"], claims["exp"] > NOW) == (ISSUER, True)
    assert claims["aud"] == AUDIENCE or AUDIENCE in claims["aud"]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_changed_character_is_believed_to_say_something_else(place: int, character: str) -> None:
    good = token()
    place %= len(good)
    changed = good[:place] + character + good[place + 1 :]
    try:
        found = verifier().principal(changed)
    except InvalidTokenError:
        return
    assert found == ADA, "unused bits of the last digit may differ, what is said may not"


def test_names_of_claims_have_defaults() -> None:
    assert dataclasses.asdict(ClaimNames()) == {
        "user": "sub", "tenant": "tenant", "roles": "roles", "clearance": "clearance",
    }  # fmt: skip
