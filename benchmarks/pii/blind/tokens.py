"""Credentials in the formats of those who issue them, and the lines that they are leaked in.

Each kind is a maker of (text before, secret, text after): what is labelled is the secret. Tokens that carry a checksum
(GitHub, npm) carry the right one.
"""

from __future__ import annotations

import base64
import json
import random
import string
import zlib
from collections.abc import Callable

from benchmarks.pii.blind.values import of

Leak = tuple[str, str, str]
_LETTERS = string.ascii_letters
_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_URL64 = _ALNUM + "-_"
_B64 = _ALNUM + "+/"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _crc(body: str) -> str:
    number, out = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, left = divmod(number, 62)
        out = _BASE62[left] + out
    return out


def _classic(rng: random.Random, prefix: str) -> str:
    body = of(rng, _ALNUM, 30)
    return prefix + body + _crc(body)


def github(rng: random.Random) -> str:
    """A token of GitHub with the checksum at its end."""
    return _classic(rng, "ghp_")


def _b64(rng: random.Random, size: int) -> str:
    return base64.b64encode(rng.randbytes(size)).decode()


def _url64(rng: random.Random, size: int) -> str:
    return base64.urlsafe_b64encode(rng.randbytes(size)).decode().rstrip("=")


def jwt(rng: random.Random) -> str:
    """A signed token with a subject."""
    parts = [
        json.dumps({"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}, separators=(",", ":")),
        json.dumps(
            {"sub": str(rng.randint(1000, 9999999)), "iat": rng.randint(1_500_000_000, 1_800_000_000)},
            separators=(",", ":"),
        ),
    ]
    head = ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts)
    return f"{head}.{_url64(rng, 32)}"


def pem(rng: random.Random, kind: str, size: int = 600) -> str:
    """A private key as a block of lines."""
    body = _b64(rng, size)
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    headers = (
        "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n"
        if kind == "RSA " and rng.random() < 0.3
        else ""
    )
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{headers}{lines}\n-----END {kind}PRIVATE KEY-----"


def _pgp(rng: random.Random) -> str:
    body = _b64(rng, 500)
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{lines}\n={_b64(rng, 3)}\n-----END PGP PRIVATE KEY BLOCK-----"


def password(rng: random.Random) -> str:
    """What people choose, and what password managers make."""
    word = rng.choice("Sommer Winter Berlin Passwort Hamster Sonne Tiger Liverpool Dragon Kaffee Falke Monkey".split())
    return rng.choice(
        (
            f"{word}{rng.randint(1, 2029)}!",
            f"{word}#{rng.randint(10, 99)}",
            of(rng, _ALNUM + "!#%*?-_", rng.randint(10, 20)),
            f"{word.lower()}-{of(rng, _LETTERS, 4)}-{rng.randint(10, 99)}",
            of(rng, _ALNUM, 12),
        )
    )


def _token(rng: random.Random) -> dict[str, str]:
    """One token of every issuer, complete with its prefix."""
    return {
        "aws_id": rng.choice(("AKIA", "ASIA")) + of(rng, string.ascii_uppercase + "234567", 16),
        "gcp": "AIza" + of(rng, _URL64, 35),
        "google_oauth": "ya29.a0" + of(rng, _URL64, 120),
        "google_secret": "GOCSPX-" + of(rng, _URL64, 28),
        "azure_client": of(rng, _ALNUM, 3) + "8Q~" + of(rng, _ALNUM + "~._-", 33) + of(rng, _ALNUM, 1),
        "github": _classic(rng, rng.choice(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"))),
        "github_fine": "github_pat_" + of(rng, _ALNUM, 22) + "_" + of(rng, _ALNUM, 59),
        "gitlab": rng.choice(("glpat-", "gldt-", "glrt-", "glptt-")) + of(rng, _URL64, 20),
        "slack_bot": f"xoxb-{rng.randint(10**11, 10**12 - 1)}-{rng.randint(10**12, 10**13 - 1)}-{of(rng, _ALNUM, 24)}",
        "slack_user": f"xoxp-{rng.randint(10**11, 10**12 - 1)}-{rng.randint(10**11, 10**12 - 1)}-{rng.randint(10**12, 10**13 - 1)}-{of(rng, _HEX, 32)}",
        "slack_app": f"xapp-1-A0{of(rng, string.ascii_uppercase + string.digits, 9)}-{rng.randint(10**12, 10**13 - 1)}-{of(rng, _HEX, 64)}",
        "slack_hook": f"https://hooks.slack.com/services/T{of(rng, string.ascii_uppercase + string.digits, 10)}/B{of(rng, string.ascii_uppercase + string.digits, 10)}/{of(rng, _ALNUM, 24)}",
        "stripe": rng.choice(("sk_live_", "sk_test_", "rk_live_")) + of(rng, _ALNUM, rng.choice((24, 99))),
        "stripe_hook": "whsec_" + of(rng, _ALNUM, 32),
        "twilio": "SK" + of(rng, _HEX, 32),
        "sendgrid": f"SG.{of(rng, _URL64, 22)}.{of(rng, _URL64, 43)}",
        "npm": _classic(rng, "npm_"),
        "pypi": "pypi-AgEIcHlwaS5vcmc" + of(rng, _URL64, 150),
        "openai": f"sk-{of(rng, _ALNUM, 20)}T3BlbkFJ{of(rng, _ALNUM, 20)}",
        "openai_project": f"sk-proj-{of(rng, _URL64, 74)}T3BlbkFJ{of(rng, _URL64, 73)}A",
        "anthropic": f"sk-ant-api03-{of(rng, _URL64, 93)}AA",
        "huggingface": "hf_" + of(rng, _LETTERS, 34),
        "telegram": f"{rng.randint(10**9, 10**10 - 1)}:AA{of(rng, _URL64, 33)}",
        "discord": f"{rng.choice('MNO')}{of(rng, _ALNUM, 23)}.{of(rng, _URL64, 6)}.{of(rng, _URL64, 38)}",
        "discord_hook": f"https://discord.com/api/webhooks/{rng.randint(10**17, 10**18 - 1)}/{of(rng, _URL64, 68)}",
        "mailgun": "key-" + of(rng, _HEX, 32),
        "mailchimp": f"{of(rng, _HEX, 32)}-us{rng.randint(1, 21)}",
        "digitalocean": "dop_v1_" + of(rng, _HEX, 64),
        "shopify": rng.choice(("shpat_", "shpss_", "shpca_")) + of(rng, _HEX, 32),
        "newrelic": "NRAK-" + of(rng, string.ascii_uppercase + string.digits, 27),
        "square": "sq0atp-" + of(rng, _URL64, 22),
        "docker": "dckr_pat_" + of(rng, _URL64, 27),
        "terraform": f"{of(rng, _ALNUM, 14)}.atlasv1.{of(rng, _URL64, 67)}",
        "vault": "hvs." + of(rng, _URL64, 92),
        "databricks": "dapi" + of(rng, _HEX, 32),
        "notion": "ntn_" + of(rng, string.digits, 11) + of(rng, _ALNUM, 35),
        "linear": "lin_api_" + of(rng, _ALNUM, 40),
        "atlassian": "ATATT3xFfGF0" + of(rng, _URL64, 171) + "=" + of(rng, _HEX.upper(), 8),
        "sentry": "sntryu_" + of(rng, _HEX, 64),
        "grafana": f"glsa_{of(rng, _ALNUM, 32)}_{of(rng, _HEX, 8)}",
        "supabase": "sbp_" + of(rng, _HEX, 40),
        "fcm": f"AAAA{of(rng, _URL64, 7)}:APA91b{of(rng, _URL64, 134)}",
        "airtable": f"pat{of(rng, _ALNUM, 14)}.{of(rng, _HEX, 64)}",
        "facebook": "EAAC" + of(rng, _ALNUM, 120),
        "groq": "gsk_" + of(rng, _ALNUM, 52),
        "replicate": "r8_" + of(rng, _ALNUM, 37),
        "postman": f"PMAK-{of(rng, _HEX, 24)}-{of(rng, _HEX, 34)}",
        "doppler": "dp.pt." + of(rng, _ALNUM, 43),
        "rubygems": "rubygems_" + of(rng, _HEX, 48),
        "age": "AGE-SECRET-KEY-1" + of(rng, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
        "jwt": jwt(rng),
        "figma": "figd_" + of(rng, _URL64, 40),
        "pulumi": "pul-" + of(rng, _HEX, 40),
        "planetscale": "pscale_tkn_" + of(rng, _URL64, 43),
    }  # fmt: skip


SAID = (
    ("", ""), ("Token: ", ""), ("export TOKEN=", "\n"), ('api_key = "', '"'), ("Hier der Schlüssel für das Staging-System: ", " – bitte nicht weitergeben."), ("curl -H 'Authorization: Bearer ", "' https://api.example.com/v1/me"),
    ("Im Log stand noch ", ", das müssen wir sperren."), ("- ", " (läuft im März ab)"), ("| Produktion | ", " |"), ("I pushed ", " to the repo by mistake, can someone rotate it?"), ('{"token": "', '", "expires": 3600}'),
    ("<code>", "</code>"), ("Bitte `", "` ins Secret-Feld eintragen."), ("TOKEN=", " # prod"), ("the key is ", "."), ("env:\n  - name: API_TOKEN\n    value: ", "\n"),
)  # fmt: skip
"""What stands around tokens that their own form gives away."""


def _prefixed(name: str) -> Callable[[random.Random], Leak]:
    def make(rng: random.Random) -> Leak:
        before, after = rng.choice(SAID)
        return before, _token(rng)[name], after

    return make


def _in_context(
    forms: tuple[tuple[str, str], ...], secret: Callable[[random.Random], str]
) -> Callable[[random.Random], Leak]:
    def make(rng: random.Random) -> Leak:
        before, after = rng.choice(forms)
        return before, secret(rng), after

    return make


def kinds() -> dict[str, Callable[[random.Random], Leak]]:
    """Every kind of secret: name and maker."""
    every: dict[str, Callable[[random.Random], Leak]] = {name: _prefixed(name) for name in _token(random.Random(0))}
    every |= {
        "aws_secret": _in_context((("aws_secret_access_key = ", "\n"), ("AWS_SECRET_ACCESS_KEY=", "\n"), ('secretAccessKey: "', '"'), ('"SecretAccessKey": "', '",'), ("Secret access key: ", "\n")), lambda r: of(r, _B64, 40)),
        "azure_storage": _in_context((("DefaultEndpointsProtocol=https;AccountName=nordlicht;AccountKey=", ";EndpointSuffix=core.windows.net"), ("AZURE_STORAGE_KEY=", "\n")), lambda r: _b64(r, 64)),
        "azure_bus": _in_context((("Endpoint=sb://nordlicht.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=", ""), ("SharedAccessKey=", ";EntityPath=q1")), lambda r: _b64(r, 32)),
        "gcp_service_account": _in_context((('{"type": "service_account", "private_key_id": "0a1b", "private_key": "', '", "client_id": "1"}'),), lambda r: pem(r, "").replace("\n", "\\n") + "\\n"),
        "twilio_auth": _in_context((("TWILIO_AUTH_TOKEN=", "\n"), ('client = Client("AC0123456789abcdef0123456789abcdef", "', '")'), ("Twilio auth token: ", "")), lambda r: of(r, _HEX, 32)),
        "pem_rsa": _in_context((("", ""), ("Der Schlüssel des Servers:\n\n", "\n\nBitte vertraulich behandeln."), ("key: |\n", "\n")), lambda r: pem(r, "RSA ")),
        "pem_ec": _in_context((("", ""), ("cat key.pem\n", "\n")), lambda r: pem(r, "EC ", 120)),
        "pem_openssh": _in_context((("", ""), ("Hier mein Schlüssel:\n", "\n")), lambda r: pem(r, "OPENSSH ")),
        "pem_pkcs8": _in_context((("", ""), ("# tls.key\n", "\n")), lambda r: pem(r, "")),
        "pem_encrypted": _in_context((("", ""),), lambda r: pem(r, "ENCRYPTED ")),
        "pem_dsa": _in_context((("", ""),), lambda r: pem(r, "DSA ", 300)),
        "pgp": _in_context((("", ""), ("Zur Sicherung:\n", "\n")), _pgp),
        "basic_auth": _in_context((("Authorization: Basic ", "\n"), ('-H "Authorization: Basic ', '"'), ("'Authorization': 'Basic ", "'")), lambda r: base64.b64encode(f"admin:{password(r)}".encode()).decode()),
        "curl_user": _in_context((("curl -u admin:", " https://api.example.com/"), ("curl --user deploy:", " https://ci.example.com/job")), lambda r: of(r, _ALNUM, 14)),
        "bearer": _in_context((("Authorization: Bearer ", "\n"), ('headers = {"Authorization": "Bearer ', '"}')), lambda r: of(r, _ALNUM, 40)),
        "env_password": _in_context((("DB_HOST=db1\nDB_USER=app\nDB_PASSWORD=", "\nDB_PORT=5432"), ("MYSQL_ROOT_PASSWORD: ", "\n"), ("SMTP_PASS=", "\n"), ("POSTGRES_PASSWORD=", "\n"), ("spring.datasource.password=", "\n"), ("REDIS_PASSWORD='", "'"), ("ADMIN_PWD=", "\n")), password),
        "env_secret": _in_context((("SECRET_KEY = '", "'"), ("JWT_SECRET=", "\n"), ("APP_KEY=base64:", "\n"), ("CLIENT_SECRET=", "\n"), ('client_secret: "', '"'), ("SESSION_SECRET=", "\n"), ("DJANGO_SECRET_KEY=", "\n")), lambda r: of(r, _ALNUM, r.choice((32, 50)))),
        "api_key_plain": _in_context((("API_KEY=", "\n"), ('"apiKey": "', '"'), ("X-API-Key: ", "\n"), ("api-key: ", "\n"), ("API-Schlüssel: ", "\n"), ("Mein API-Key lautet ", "."), ("access_token=", "\n"), ("DD_API_KEY=", "\n"), ("HEROKU_API_KEY=", "\n")), lambda r: of(r, _HEX, 32)),
        "password_de": _in_context((("Passwort: ", "\n"), ("Kennwort: ", "\n"), ("Das Passwort lautet ", " und gilt bis Freitag."), ("Benutzer: gast\nPasswort: ", "\n"), ("Zugangsdaten: admin / ", "\n"), ("Ihr Initialpasswort: ", "\n"), ("Das neue Kennwort ist: ", "\n"), ("PW: ", "\n"), ("Login: test, Passwort: ", "\n"), ("| Passwort | ", " |"), ("WLAN-Schlüssel: ", "\n"), ("WLAN: Buero_Gast, Passwort ", "\n"), ("Einmalpasswort: ", "\n"), ("mit dem Passwort „", "“ kommst du rein."), ("Passwort\n", "\n")), password),
        "password_en": _in_context((("Password: ", "\n"), ("password = ", "\n"), ("Your temporary password is ", " - please change it."), ("user: guest\npass: ", "\n"), ("Username: jdoe / Password: ", "\n"), ("The Wi-Fi password is ", "\n"), ("passwd: ", "\n"), ("| password | ", " |"), ("pwd: ", "\n"), ('log in with "', '" as the password'), ("passphrase: ", "\n"), ("The root password was changed to ", " yesterday.")), password),
        "ado_net": _in_context((("Server=tcp:db.nordlicht.de,1433;Initial Catalog=shop;User ID=app;Password=", ";Encrypt=True;"), ("Data Source=db1;User Id=sa;Pwd=", ";"), ("host=db1 dbname=shop user=app password=", " sslmode=require"), ("jdbc:sqlserver://db1;databaseName=x;user=sa;password=", ";"), ("jdbc:mysql://db1:3306/shop?user=root&password=", "&useSSL=false")), lambda r: of(r, _ALNUM + "!#*", 14)),
        "netrc": _in_context((("machine api.heroku.com\n  login me\n  password ", "\n"), ("machine github.com login bot password ", "\n")), lambda r: of(r, _ALNUM, 24)),
        "wireguard": _in_context((("[Interface]\nPrivateKey = ", "\nDNS = intern"),), lambda r: _b64(r, 32)),
        "npmrc": _in_context((("//registry.npmjs.org/:_authToken=", "\n"), ("//npm.example.com/:_password=", "\n")), lambda r: of(r, _HEX, 36)),
        "docker_config": _in_context((('{"auths": {"registry.example.com": {"auth": "', '"}}}'),), lambda r: base64.b64encode(f"bot:{of(r, _ALNUM, 16)}".encode()).decode()),
        "pgpass": _in_context((("db1:5432:shop:app:", "\n"), ("PGPASSWORD=", " psql -h db1")), lambda r: of(r, _ALNUM, 16)),
        "xml_password": _in_context((("<password>", "</password>"), ('<add key="Password" value="', '"/>')), lambda r: of(r, _ALNUM, 14)),
        "code_password": _in_context((('conn = connect(user="app", password="', '")'), ("mysql -u root -p", " shop"), ("sshpass -p '", "' ssh root@db1"), ("$password = '", "';"), ('"password": "', '"')), lambda r: of(r, _ALNUM + "!*", 14)),
        "cookie": _in_context((("Cookie: sessionid=", "; theme=dark"), ("Set-Cookie: PHPSESSID=", "; path=/")), lambda r: of(r, string.ascii_lowercase + string.digits, 32)),
    }  # fmt: skip
    return every


def url(rng: random.Random) -> str:
    """An address that lets its bearer in."""
    secret = of(rng, _ALNUM, rng.choice((10, 14, 24)))
    host = rng.choice(("db1.nordlicht.de", "git.example.com", "10.0.0.5", "cluster0.ab12c.mongodb.net", "localhost"))
    return rng.choice(
        (
            f"https://deploy:{secret}@{host}/repo.git", f"postgresql://app:{secret}@{host}:5432/shop", f"postgres://app:{secret}@{host}/shop?sslmode=require", f"mysql://root:{secret}@{host}/shop", f"mongodb+srv://admin:{secret}@{host}/test?retryWrites=true",
            f"redis://:{secret}@{host}:6379/0", f"amqp://guest:{secret}@{host}:5672//", f"ftp://upload:{secret}@{host}/incoming", f"sftp://backup:{secret}@{host}:22/data", f"smtp://mailer%40nordlicht.de:{secret}@smtp.nordlicht.de:587", f"http://admin:{secret}@{host}:8080/",
            f"https://x-access-token:{_classic(rng, 'ghs_')}@github.com/acme/app.git", f"https://oauth2:glpat-{of(rng, _URL64, 20)}@gitlab.com/acme/app.git", f"https://api.example.com/v1/items?api_key={of(rng, _HEX, 32)}", f"https://example.com/feed?access_token={of(rng, _ALNUM, 40)}&page=2", f"https://files.example.com/d?id=7&token={jwt(rng)}",
            f"https://nordlicht.blob.core.windows.net/c/f.pdf?sv=2022-11-02&se=2027-01-01T00%3A00%3A00Z&sr=b&sp=r&sig={of(rng, _ALNUM, 43)}%3D", f"https://bucket.s3.amazonaws.com/f.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA{of(rng, string.ascii_uppercase, 16)}%2F20261101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Expires=3600&X-Amz-Signature={of(rng, _HEX, 64)}", f"https://app.example.com/reset-password?token={of(rng, _HEX, 40)}", f"https://shop.example.com/login?user=admin&password={secret}", f"mssql+pyodbc://sa:{secret}@{host}/shop", f"rtsp://admin:{secret}@192.168.1.64:554/stream1", f"ldap://cn=admin:{secret}@{host}:389",
        )
    )  # fmt: skip
