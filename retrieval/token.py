"""Principals from signed tokens (JWT, RFC 7519): who asks is what an issuer has signed, or nobody.

A verifier is configured once and fails closed: every claim that is mapped must be there and of the right shape, one
family of algorithms is allowed for one kind of key, and no error quotes the token.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from retrieval.errors import ConfigurationError, InvalidPrincipalError, InvalidTokenError
from retrieval.principal import CLEARANCES, Clearance, Principal
from retrieval.settings import Settings

SECRET_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
KEY_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Algorithms by what verifies them. Never both for one key: a public key used as a secret lets everybody sign."""

CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
"""Curve of each algorithm: RFC 7518, section 3.4."""

SECRET_BYTES = 32
"""Shortest secret: RFC 7518, section 3.2, for HS256."""
RSA_BITS = 2048
"""Shortest RSA key: RFC 7518, section 3.3."""
TOKEN_MAX = 16_384
"""Longest token, in characters."""
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""A signed token as RFC 7515 writes it; whatever else a lenient decoder would take is refused."""
TIME_MAX = 1e15
"""Times from here on are none, in seconds: JSON has whole numbers that no float holds."""
ROLES_MAX = 500
"""Most roles a token may carry."""
WILDCARD = re.compile(r"[*?%]")
"""A role with one of these is no role but a pattern, and means "all" to whoever wrote it."""

Claims = Mapping[str, Any]
_MISSING = object()


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Where the parts of a principal stand in a token.

    A dot leads into a nested claim (`realm_access.roles`), a dot in a name is written `\\.`. A clearance that is not
    mapped (None) makes every principal `public`.
    """

    user: str = "sub"
    tenant: str = "tenant"
    roles: str = "roles"
    clearance: str | None = "clearance"


class TokenVerifier:
    """Checks tokens of one issuer and makes principals of them. May be shared by threads.

    Args:
        issuer: exact value of `iss`.
        audience: exact value that `aud` must be, or hold.
        key_file: public keys, as PEM or JWKS; read again when the file has changed, so keys can be rotated.
        secret: shared secret instead, at least 32 bytes.
        algorithms: allowed ones; all must fit the kind of key.
        leeway_s: seconds by which clocks may differ.
        max_age_s: longest time since `iat`; None: as long as `exp` says. Roles live as long as a token does.
        claims: where the parts of a principal stand.
        revoked: asked about the claims of every valid token; True refuses it.
        clock: seconds since 1970.

    Raises:
        ConfigurationError: an argument is missing or does not fit the others.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        key_file: Path | None = None,
        secret: bytes | None = None,
        algorithms: Sequence[str] | None = None,
        leeway_s: float = 0,
        max_age_s: float | None = None,
        claims: ClaimNames | None = None,
        revoked: Callable[[Claims], bool] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not issuer or not audience:
            raise ConfigurationError("Tokens need an issuer and an audience: set KNOWLEDGE_JWT_ISSUER and _AUDIENCE")
        if (key_file is None) == (secret is None):
            raise ConfigurationError(
                "Tokens need one key: set KNOWLEDGE_JWT_KEY_FILE or KNOWLEDGE_JWT_SECRET, not both"
            )
        if secret is not None and len(secret) < SECRET_BYTES:
            raise ConfigurationError(f"KNOWLEDGE_JWT_SECRET is shorter than {SECRET_BYTES} bytes: make a random one")
        fitting = KEY_ALGORITHMS if secret is None else SECRET_ALGORITHMS
        self._algorithms = tuple(algorithms) if algorithms is not None else ("RS256",) if secret is None else ("HS256",)
        if not self._algorithms or not fitting.issuperset(self._algorithms):
            raise ConfigurationError(
                f"KNOWLEDGE_JWT_ALGORITHMS does not fit the key: allowed are {', '.join(sorted(fitting))}"
            )
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway_s
        self._max_age = max_age_s
        self._claims = claims or ClaimNames()
        self._revoked = revoked
        self._clock = clock
        self._keys = _Secret(secret) if secret is not None else _KeyFile(cast(Path, key_file))

    @classmethod
    def from_settings(cls, settings: Settings | None = None, **arguments: Any) -> TokenVerifier:
        """A verifier as the `KNOWLEDGE_JWT_…` settings say; arguments win.

        Raises:
            ConfigurationError: a setting is missing or wrong.
        """
        settings = settings or Settings.load()
        secret = settings.jwt_secret
        given = {
            "issuer": settings.jwt_issuer or "",
            "audience": settings.jwt_audience or "",
            "key_file": settings.jwt_key_file,
            "secret": secret.get_secret_value().encode() if secret is not None else None,
            "algorithms": settings.jwt_algorithms,
            "leeway_s": settings.jwt_leeway_s,
            "max_age_s": settings.jwt_max_age_s,
            "claims": ClaimNames(
                settings.jwt_user_claim,
                settings.jwt_tenant_claim,
                settings.jwt_roles_claim,
                settings.jwt_clearance_claim or None,
            ),
        }
        return cls(**given | arguments)

    def principal(self, token: str) -> Principal:
        """The principal a token proves.

        Raises:
            InvalidTokenError: it proves nobody.
        """
        claims = self._verified(token)
        names = self._claims
        roles = _claim(claims, names.roles)
        if not isinstance(roles, list) or len(roles) > ROLES_MAX or not all(isinstance(role, str) for role in roles):
            raise InvalidTokenError(f"The token's claim {names.roles!r} is not a list of at most {ROLES_MAX} roles")
        if any(WILDCARD.search(role) or role != role.strip() for role in roles):
            raise InvalidTokenError(f"The token's claim {names.roles!r} holds a pattern instead of a role")
        clearance = "public" if names.clearance is None else _claim(claims, names.clearance)
        if clearance not in CLEARANCES:
            raise InvalidTokenError(f"The token's claim {names.clearance!r} must be one of {', '.join(CLEARANCES)}")
        try:
            return Principal(
                user=_claim(claims, names.user),
                tenant=_claim(claims, names.tenant),
                roles=roles,
                clearance=cast(Clearance, clearance),
            )
        except InvalidPrincipalError as error:
            raise InvalidTokenError(f"The token names no principal: {error}") from None

    # ---------------------------------------------------------------- inside

    def _verified(self, token: object) -> Claims:
        import jwt

        if not isinstance(token, str) or len(token) > TOKEN_MAX or not COMPACT.fullmatch(token):
            raise InvalidTokenError("The token is missing or malformed")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise InvalidTokenError("The token is missing or malformed") from None
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise InvalidTokenError("The token is signed with an algorithm that is not allowed")
        if "crit" in header or "b64" in header:
            raise InvalidTokenError("The token asks for an extension that is not known")
        key = self._keys.find(header.get("kid"), cast(str, algorithm))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[cast(str, algorithm)],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["iss", "aud", "exp"],
                    # times are checked below, against the clock of this object
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise InvalidTokenError("The token's signature is wrong") from None
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
            raise InvalidTokenError("The token is from another issuer, or meant for another audience") from None
        except jwt.MissingRequiredClaimError as error:
            raise InvalidTokenError(f"The token lacks the claim {error.claim!r}") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise InvalidTokenError("The token is missing or malformed") from None
        self._check_times(claims)
        if self._revoked is not None and self._revoked(claims):
            raise InvalidTokenError("The token was revoked")
        return claims

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        if _seconds(claims, "exp") <= now - self._leeway:
            raise InvalidTokenError("The token is expired: get a new one")
        if "nbf" in claims and _seconds(claims, "nbf") > now + self._leeway:
            raise InvalidTokenError("The token is not valid yet: compare the clocks")
        if self._max_age is not None or "iat" in claims:
            issued = _seconds(claims, "iat")
            if issued > now + self._leeway:
                raise InvalidTokenError("The token was issued in the future: compare the clocks")
            if self._max_age is not None and now - issued > self._max_age + self._leeway:
                raise InvalidTokenError("The token is older than KNOWLEDGE_JWT_MAX_AGE_S: get a new one")


class _Secret:
    """A shared secret; it has no name."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def find(self, kid: object, algorithm: str) -> bytes:
        """The secret, whatever the token calls it."""
        return self._secret


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key, and the one algorithm that its file says it is for."""

    public: Any
    named: str | None

    @classmethod
    def of(cls, jwk: dict[str, Any]) -> _Key | None:
        """The key of an entry of a JWKS; None for one that is not understood or signs nothing.

        RFC 7517, section 5, wants it so: a new kind of key beside the others must not lock everybody out. Symmetric
        keys have no place there.
        """
        import jwt

        if jwk.get("kty") not in ("RSA", "EC", "OKP") or jwk.get("use", "sig") != "sig":
            return None
        try:
            return cls(jwt.PyJWK(jwk).key, jwk.get("alg"))
        except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError):
            return None

    def fits(self, algorithm: str) -> bool:
        """Whether it may have signed with an algorithm: the named one, else those of its kind."""
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        if self.named is not None:
            return self.named == algorithm
        if isinstance(self.public, RSAPublicKey):
            return algorithm[:2] in {"RS", "PS"}
        if isinstance(self.public, EllipticCurvePublicKey):
            return CURVES.get(algorithm) == self.public.curve.name
        return algorithm == "EdDSA"


class _KeyFile:
    """Public keys of a file, by name where the file gives names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._named: dict[str, _Key] = {}
        self._only: _Key | None = None
        self._read()

    def find(self, kid: object, algorithm: str) -> Any:
        """The key that a token names; a file with one key needs no name.

        Raises:
            InvalidTokenError: there is no such key, or it is meant for another algorithm.
        """
        with self._guard:
            self._read()
            key = self._named.get(kid) if isinstance(kid, str) else self._only
            if key is None and not self._named:
                key = self._only  # a PEM file gives no names
        if key is None:
            raise InvalidTokenError("The token is signed with a key that is not known")
        if not key.fits(algorithm):
            raise InvalidTokenError("The token is signed with an algorithm that its key is not meant for")
        return key.public

    def _read(self) -> None:
        """Read the file if it has changed; of a file that cannot be read now, the keys read before stay."""
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp == self._stamp:
                return
            named, only = self._parse(self._path.read_bytes())
        except OSError as error:
            if self._stamp is not None:
                return
            raise ConfigurationError(
                f"The key file {self._path} cannot be read ({error.strerror}): check KNOWLEDGE_JWT_KEY_FILE"
            ) from None
        self._stamp, self._named, self._only = stamp, named, only

    def _parse(self, content: bytes) -> tuple[dict[str, _Key], _Key | None]:
        import jwt
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        keys: list[tuple[object, _Key]] = []
        try:
            if content.lstrip().startswith(b"{"):
                given = json.loads(content)["keys"]
                if any("d" in one for one in given if isinstance(one, dict)):
                    raise ConfigurationError(f"The key file {self._path} holds a private key: write public ones alone")
                known = ((one.get("kid"), _Key.of(one)) for one in given if isinstance(one, dict))
                keys = [(kid, key) for kid, key in known if key is not None]
            elif content.count(b"-----BEGIN ") > 1:
                raise ConfigurationError(f"The key file {self._path} holds several PEM keys: write them as a JWKS")
            else:
                keys = [(None, _Key(load_pem_public_key(content), None))]
        except (ValueError, KeyError, TypeError, jwt.PyJWTError):
            keys = []
        if not keys:
            raise ConfigurationError(
                f"The key file {self._path} contains no public key: write PEM or a JWKS with RSA, EC or OKP keys"
            )
        if any(_too_short(key.public) for _, key in keys):
            raise ConfigurationError(f"The key file {self._path} holds an RSA key of less than {RSA_BITS} bits")
        named = {kid: key for kid, key in keys if isinstance(kid, str)}
        return named, keys[0][1] if len(keys) == 1 else None


def _too_short(key: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    return isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS


def _claim(claims: Claims, path: str) -> Any:
    """The claim at a path.

    Raises:
        InvalidTokenError: it is not there.
    """
    found: Any = claims
    for step in re.split(r"(?<!\\)\.", path):
        found = found.get(step.replace("\\.", "."), _MISSING) if isinstance(found, Mapping) else _MISSING
        if found is _MISSING:
            raise InvalidTokenError(f"The token lacks the claim {path!r}")
    return found


def _seconds(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < TIME_MAX:
        raise InvalidTokenError(f"The token's claim {name!r} is not a time")
    return float(value)
