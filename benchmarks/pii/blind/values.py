"""Values of every type, made from laws, forms and standards: lengths, alphabets and check digits by code of their own.

Nothing here is shared with the recognizers or with `benchmarks.pii.generated`.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence

Make = Callable[[random.Random], str]
_UPPER = string.ascii_uppercase
_ICAO = "0123456789CFGHJKLMNPRTVWXYZ"
"""Characters of serial numbers of German identity documents (PAuswV, PassV): no vowels, no B, D, Q, S."""


def digits(rng: random.Random, count: int) -> str:
    """So many digits."""
    return "".join(rng.choice("0123456789") for _ in range(count))


def nonzero(rng: random.Random, count: int) -> str:
    """So many digits, the first not 0."""
    return rng.choice("123456789") + digits(rng, count - 1)


def of(rng: random.Random, alphabet: str, count: int) -> str:
    """So many characters of an alphabet."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def cut(number: str, sizes: Sequence[int], between: str = " ") -> str:
    """The number in groups of these sizes; what is left is the last group."""
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    parts.append(number[at:])
    return between.join(part for part in parts if part)


# --- banks ----------------------------------------------------------------------------------------------------------


def _mod97(text: str) -> int:
    return int("".join(str(int(c, 36)) for c in text)) % 97


def _bban(rng: random.Random, country: str) -> str:
    if country == "BE":
        body = digits(rng, 10)
        return f"{body}{int(body) % 97 or 97:02d}"
    if country == "FR":
        bank, office, account = digits(rng, 5), digits(rng, 5), digits(rng, 11)
        key = 97 - (89 * int(bank) + 15 * int(office) + 3 * int(account)) % 97
        return f"{bank}{office}{account}{key:02d}"
    if country == "ES":
        office, account = digits(rng, 8), digits(rng, 10)

        def check(text: str) -> str:
            rest = 11 - sum(int(c) * w for c, w in zip(text, (1, 2, 4, 8, 5, 10, 9, 7, 3, 6), strict=True)) % 11
            return {10: "1", 11: "0"}.get(rest, str(rest))

        return f"{office}{check('00' + office)}{check(account)}{account}"
    if country == "IT":
        body = digits(rng, 22)
        odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
        cin = sum(odd[int(c)] if at % 2 == 0 else int(c) for at, c in enumerate(body)) % 26
        return _UPPER[cin] + body
    if country == "PL":
        bank = digits(rng, 7)
        digit = -sum(int(c) * w for c, w in zip(bank, (3, 9, 7, 1, 3, 9, 7), strict=True)) % 10
        return f"{bank}{digit}{digits(rng, 16)}"
    if country == "GB":
        return of(rng, "ABCLMNRST", 4) + digits(rng, 14)
    if country == "IE":
        return rng.choice(("AIBK", "BOFI", "ULSB")) + digits(rng, 14)
    if country == "NL":
        while True:
            account = "0" + nonzero(rng, 9)
            if sum(int(c) * w for c, w in zip(account, range(10, 0, -1), strict=True)) % 11 == 0:
                return rng.choice(("ABNA", "RABO", "INGB")) + account
    if country == "RO":
        return rng.choice(("BTRL", "RNCB", "BRDE")) + digits(rng, 16)
    if country == "MT":
        return "MALT" + digits(rng, 5) + of(rng, _UPPER + string.digits, 18)
    lengths = {"DE": 18, "AT": 16, "CH": 17, "LI": 17, "LU": 16, "DK": 14, "SE": 20, "TR": 22, "CY": 24, "GR": 23}
    body = digits(rng, lengths[country])
    return "0" + body[1:] if country == "TR" else body


def iban(rng: random.Random) -> str:
    """ISO 13616, half of them German, with the national check digits of BE, ES, FR, IT, NL and PL."""
    country = rng.choice(("DE",) * 12 + tuple("AT AT CH CH LI LU BE FR ES IT PL GB IE NL RO MT DK SE TR CY GR".split()))
    body = _bban(rng, country)
    number = f"{country}{98 - _mod97(body + country + '00'):02d}{body}"
    form = rng.random()
    if form < 0.4:
        return cut(number, [4] * 8)
    if form < 0.7:
        return number
    if form < 0.76:
        return number.lower()
    if form < 0.82:
        return cut(number, [4] * 8, "\u00a0")
    if form < 0.86:
        return cut(number, [4] * 8, "-")
    if form < 0.9:
        return cut(number, [4] * 8, "  ")
    if form < 0.94 and country == "DE":
        return cut(number, [2, 2, 8])
    at = rng.choice((2, 3, 4))
    groups = cut(number, [4] * 8).split(" ")
    return " ".join(groups[:at]) + "\n" + " ".join(groups[at:])


def _luhn(body: str) -> str:
    total = 0
    for at, char in enumerate(reversed(body)):
        value = int(char) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def credit_card(rng: random.Random) -> str:
    """Visa, Mastercard (2-series too), American Express, Discover, Diners, JCB, UnionPay, Maestro."""
    heads: dict[str, tuple[str, int]] = {
        "visa": ("4" + digits(rng, 5), 16),
        "mc": (str(rng.randint(51, 55)) + digits(rng, 4), 16),
        "mc2": (str(rng.randint(222100, 272099)), 16),
        "amex": (rng.choice(("34", "37")) + digits(rng, 4), 15),
        "discover": (rng.choice(("601100", "650012", "644550")), 16),
        "diners": (rng.choice(("300", "305", "360", "380")) + digits(rng, 3), 14),
        "jcb": (str(rng.randint(3528, 3589)) + digits(rng, 2), 16),
        "unionpay": (rng.choice(("622126", "621700", "625094")), 16),
        "maestro": (rng.choice(("501800", "503800", "675900", "676200")), 16),
    }
    start, length = heads[rng.choice("visa visa mc mc2 mc2 amex amex discover diners jcb unionpay maestro".split())]
    body = start + digits(rng, length - 1 - len(start))
    number = body + _luhn(body)
    sizes = [4, 6] if length < 16 else [4, 4, 4]
    form = rng.random()
    if form < 0.45:
        return cut(number, sizes)
    if form < 0.7:
        return number
    if form < 0.84:
        return cut(number, sizes, "-")
    if form < 0.9:
        return cut(number, sizes, "\u00a0")
    if form < 0.93:
        return cut(number, sizes, "  ")
    if form < 0.96:
        return cut(number, sizes, ".")
    return cut(number, sizes).replace(" ", "\n", 1)


# --- German numbers -------------------------------------------------------------------------------------------------


def _mod11_10(body: str) -> str:
    """ISO 7064, MOD 11,10."""
    product = 10
    for char in body:
        product = ((int(char) + product) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def tax_id(rng: random.Random) -> str:
    """§ 139b AO: eleven digits, the first not 0, one of the first ten twice or three times (never thrice in a row)."""
    while True:
        kinds = list("0123456789")
        rng.shuffle(kinds)
        if rng.random() < 0.7:
            body = [*kinds[:9], kinds[0]]
        else:
            body = [*kinds[:8], kinds[0], kinds[0]]
        rng.shuffle(body)
        text = "".join(body)
        if text[0] != "0" and not any(c * 3 in text for c in kinds):
            break
    number = text + _mod11_10(text)
    return rng.choice(
        (
            number,
            number,
            cut(number, [2, 3, 3]),
            cut(number, [2, 3, 3]),
            cut(number, [2, 3, 3], "\u00a0"),
            cut(number, [2, 3, 3], "/"),
            cut(number, [3, 4]),
        )
    )


TAX_STATES = {
    # state: (federal head, local head, sizes of the local parts, separator of the forms)
    "BW": ("28", "", (5, 5), "/"),
    "BY": ("9", "", (3, 3, 5), "/"),
    "BE": ("11", "", (2, 3, 5), "/"),
    "BB": ("30", "0", (3, 3, 5), "/"),
    "HB": ("24", "", (2, 3, 5), " "),
    "HH": ("22", "", (2, 3, 5), "/"),
    "HE": ("26", "0", (3, 3, 5), " "),
    "MV": ("40", "0", (3, 3, 5), "/"),
    "NI": ("23", "", (2, 3, 5), "/"),
    "NW": ("5", "", (3, 4, 4), "/"),
    "RP": ("27", "", (2, 3, 5), "/"),
    "SL": ("10", "0", (3, 3, 5), "/"),
    "SN": ("32", "2", (3, 3, 5), "/"),
    "ST": ("31", "1", (3, 3, 5), "/"),
    "SH": ("21", "", (2, 3, 5), " "),
    "TH": ("41", "1", (3, 3, 5), "/"),
}


def tax_number(rng: random.Random) -> str:
    """Formats of the sixteen states, and the federal one of thirteen digits."""
    federal, head, sizes, between = TAX_STATES[rng.choice(sorted(TAX_STATES))]
    local = head + nonzero(rng, sum(sizes) - len(head))
    form = rng.random()
    if form < 0.55:
        return cut(local, sizes[:-1], between)
    if form < 0.65:
        return cut(local, sizes[:-1], " " if between == "/" else "/")
    if form < 0.72:
        return cut(local, sizes[:-1], " / ")
    if form < 0.8:
        return local
    if form < 0.85 and len(sizes) == 3:
        return cut(local, [*sizes[:2], sizes[2] - 1], "/")
    if head:
        local = local[1:]
    area = 3 if federal in "59" else 2
    return f"{federal}{local[:area]}0{local[area:]}"


def vat_id(rng: random.Random) -> str:
    """§ 27a UStG: DE and nine digits."""
    body = nonzero(rng, 8)
    number = body + _mod11_10(body)
    return rng.choice(
        (
            "DE" + number,
            "DE" + number,
            "DE " + number,
            "DE " + cut(number, [3, 3]),
            "DE\u00a0" + cut(number, [3, 3], "\u00a0"),
            "de" + number,
            "DE-" + number,
        )
    )


def social_security(rng: random.Random) -> str:
    """§ 2 VKVV: area, date of birth, initial, serial number, check digit."""
    area = rng.choice("02 03 04 09 10 11 12 13 14 15 16 17 18 19 20 21 23 24 25 26 28 29 38 39 42 53 65 82".split())
    birth = f"{rng.randint(1, 28):02d}{rng.randint(1, 12):02d}{rng.randint(30, 99):02d}"
    letter, serial = rng.choice(_UPPER), f"{rng.randint(0, 99):02d}"
    text = f"{area}{birth}{_UPPER.index(letter) + 1:02d}{serial}"
    products = [int(c) * w for c, w in zip(text, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)]
    check = sum(p // 10 + p % 10 for p in products) % 10
    parts = [area, birth, letter, serial + str(check)]
    return rng.choice(
        (
            "".join(parts),
            " ".join(parts),
            f"{area} {birth} {letter} {serial} {check}",
            f"{area} {birth[:2]} {birth[2:4]} {birth[4:]} {letter} {serial}{check}",
            "\u00a0".join(parts),
            f"{area}{birth} {letter} {serial}{check}",
        )
    )


def health_insurance(rng: random.Random) -> str:
    """§ 290 SGB V: a letter, eight digits, a check digit."""
    letter, body = rng.choice(_UPPER), digits(rng, 8)
    text = f"{_UPPER.index(letter) + 1:02d}{body}"
    products = [int(c) * (at % 2 + 1) for at, c in enumerate(text)]
    number = letter + body + str(sum(p // 10 + p % 10 for p in products) % 10)
    return rng.choice((number, number, number, cut(number, [1, 3, 3]), cut(number, [1]), cut(number, [4, 3])))


def _check731(text: str) -> str:
    return str(sum(int(c, 36) * (7, 3, 1)[at % 3] for at, c in enumerate(text)) % 10)


def id_card(rng: random.Random) -> str:
    """Serial number of the identity card since 2010, mostly without the check digit of its machine-readable zone."""
    while True:
        number = rng.choice("LMNPRTVWXY") + of(rng, _ICAO, 8)
        if sum(c.isdigit() for c in number) >= 2:
            break
    if rng.random() < 0.3:
        number += _check731(number)
    return number if rng.random() < 0.9 else number.lower()


def passport(rng: random.Random) -> str:
    """Serial number of the passport, with or without its check digit."""
    while True:
        number = rng.choice("CFGHJK") + of(rng, _ICAO, 8)
        if sum(c.isdigit() for c in number) >= 2:
            break
    if rng.random() < 0.3:
        number += _check731(number)
    return rng.choice((number, number, number, number, cut(number, [3, 3]), number.lower()))


def driving_licence(rng: random.Random) -> str:
    """FeV, annex 8: authority, running number, check digit (modulo 11), number of the copy."""
    body = rng.choice("BCDEFGHJKLMNPRSTV") + digits(rng, 3) + of(rng, string.digits + "ABCDEFGHIJKLMNPRSTUVWXYZ", 5)
    left = sum(int(c, 36) * w for c, w in zip(body, range(9, 0, -1), strict=True)) % 11
    return body + ("X" if left == 10 else str(left)) + rng.choice("123456789A")


_DISTRICTS = "B HH M K F S D DO E HB L DD H N DU BO W BI BN MS KA MA A WI GE MG BS KI MD AC HL ER FR KR OB MZ RO KS HA SB HAM MH P LU OL OS LEV HD DA SO GÖ TÜ WÜ FÜ LÖ RÜD KÜN GP ES LB BB AA UL FN RV SIG KN VS TUT RW FDS PF KÜN HN TBB MOS HP GG OF MKK FD VB LDK MR KB ESW HEF SON EF G J WE GTH NDH EIC BAR OHV PM TF LDS UM MOL EMD AUR WHV DEL CLP VEC DAN LÜN STD ROW VER NI HM HI CE".split()


def plate(rng: random.Random) -> str:
    """§ 10 FZV: district, letters, digits; electric, historic and seasonal ones, and those of authorities."""
    district = rng.choice(_DISTRICTS)
    letters = of(rng, "ABCDEFGHJKLMNPRSTUVWXYZ", rng.choice((1, 2, 2, 2)))
    number = nonzero(rng, rng.choice((1, 2, 3, 3, 4, 4)))
    suffix = rng.choice(("", "", "", "", "", "E", "H"))
    number = number[: 8 - len(district + letters + suffix)]
    form = rng.random()
    if form < 0.42:
        return f"{district}-{letters} {number}{suffix}"
    if form < 0.6:
        return f"{district} {letters} {number}{suffix}"
    if form < 0.68:
        return f"{district}-{letters}{number}{suffix}"
    if form < 0.74:
        return f"{district}-{letters}-{number}{suffix}"
    if form < 0.78:
        return f"{district}:{letters} {number}{suffix}"
    if form < 0.82:
        return f"{district}\u00a0{letters}\u00a0{number}{suffix}"
    if form < 0.86:
        return f"{district} - {letters} {number}{suffix}"
    if form < 0.9:
        return f"{district}-{letters} {number[:3]} {rng.randint(2, 5):02d}/{rng.randint(9, 11)}"
    if form < 0.93:
        return f"{district}-0{rng.choice('367')}{digits(rng, 3)}"
    return rng.choice(
        (
            f"BP {rng.randint(10, 55)}-{nonzero(rng, 3)}",
            f"Y-{nonzero(rng, 6)}",
            f"THW-{nonzero(rng, 5)}",
            f"{district}-{nonzero(rng, 4)}",
            f"NRW 5-{nonzero(rng, 4)}",
            f"BWL 4-{nonzero(rng, 4)}",
            f"0 {rng.randint(10, 170)}-{nonzero(rng, 2)}",
        )
    )


# --- networks -------------------------------------------------------------------------------------------------------


def ip(rng: random.Random) -> str:
    """IPv4 and every written form of IPv6; never loopback."""
    four = ".".join(
        str(n)
        for n in (
            rng.choice((10, 84, 91, 172, 185, 192, 193, 217)),
            rng.randint(0, 254),
            rng.randint(0, 254),
            rng.randint(1, 254),
        )
    )
    if rng.random() < 0.5:
        return four
    groups = [f"{rng.randint(1, 0xFFFF):x}" for _ in range(8)]
    groups[0] = rng.choice(("2001", "2a02", "2003", "fd12", "2a01"))
    form = rng.random()
    if form < 0.25:
        return ":".join(groups)
    if form < 0.35:
        return ":".join(g.zfill(4) for g in groups)
    if form < 0.65:
        return ":".join(groups[: rng.randint(2, 4)]) + "::" + ":".join(groups[: rng.randint(1, 3)][::-1])
    if form < 0.75:
        return ":".join(groups[:3]) + "::" + rng.choice(("1", "53", "a"))
    if form < 0.82:
        return "::ffff:" + four
    if form < 0.9:
        return ":".join(groups).upper()
    return "fe80::" + ":".join(groups[4:8])


def registry() -> dict[str, Make]:
    """Types and how their values are made, those of this module."""
    return {
        "IBAN": iban,
        "CREDIT_CARD": credit_card,
        "DE_TAX_ID": tax_id,
        "DE_TAX_NUMBER": tax_number,
        "DE_VAT_ID": vat_id,
        "DE_SOCIAL_SECURITY": social_security,
        "DE_HEALTH_INSURANCE": health_insurance,
        "DE_ID_CARD": id_card,
        "DE_PASSPORT": passport,
        "DE_DRIVING_LICENCE": driving_licence,
        "DE_NUMBER_PLATE": plate,
        "IP": ip,
    }
