"""Finds German number plates of vehicles, such as B-AB 1234."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assets.silver.pii.context import is_called, named
from assets.silver.pii.figures import found, near_figures
from assets.silver.pii.german_numbers import compact
from assets.silver.pii.span import Span

TYPE = "DE_NUMBER_PLATE"

_PLATE = re.compile(
    r"(?<![\w-])(?P<district>[A-ZÄÖÜ]{1,3})(?P<mark>[ ]?[-–:•·][ ]?|[ ])(?P<letters>[A-Z]{1,2})(?P<gap>[ -]{0,2})"
    r"(?P<digits>[1-9][0-9]{0,3})[ ]?(?P<kind>[EH])?(?:[ ](?:0[1-9]|1[0-2])[/–-](?:0?[1-9]|1[0-2]))?(?![\w%€])(?![.,:/-]\d)"
)
"""District, letters, digits; electric or historic; months of a seasonal one."""

_AUTHORITY = re.compile(
    r"(?<![\w-])(?:(?:BP|BD|BG|THW|[XY]|BWL|BYL|NRW|NL|SAL|SH|LSA|LSN|THL|RPL|HEL|BBL|MVL)[ -]\d{1,3}(?:[ -]?\d{1,5})?"
    r"|(?P<district>[A-ZÄÖÜ]{1,3})-\d{2,5}|0[ ]\d{2,3}[- ]\d{1,3}[A-Z]?)(?![\w%€-])(?![.,:/]\d)"
)
"""Vehicles of authorities, embassies, dealers and for transfer (FZV, Anlagen 2 and 3): no letters behind the district."""

_LONGEST = 8
"""Letters and digits of a plate (FZV, Anlage 4)."""

_NAMES = named(
    (
        r"\w*kennzeichen",
        r"kennz\b",
        r"kfz",
        r"nummernschild",
        r"fahrzeug",
        r"wagen",
        r"pkw",
        r"lkw",
        r"auto(?:s|mobil\w*)?\b",
        r"motorrad",
        r"halter",
        r"zulassung",
        r"zugelassen",
        r"geparkt|parkt|parken",
        r"abgeschleppt",
        r"fahrer",
        r"(?:number|licen[cs]e|registration)\s+plates?",
        r"plates?\b",
        r"vehicle",
        r"car\b",
        r"registered",
        r"parked",
        r"tüv\b|garage|stellplatz|parkplatz|fuhrpark|reg\.?\s?no\b",
        r"vw\b|ford\b|toyota|renault|fiat\b|seat\b|volvo|kia\b|hyundai|peugeot|citroën|porsche|mazda|nissan|honda|dacia",
        r"transporter|lieferwagen|anhänger|kombi|golf\b|passat|bmw|audi|mercedes|opel|skoda|tesla|taxi",
    )
)
_PLATES = named(
    (
        r"\w*kennzeichen",
        r"kennz\b",
        r"kfz[-\s]?(?:kz|kennz|nr)",
        r"nummernschild",
        r"(?:number|licen[cs]e|registration)\s+plates?",
        r"vehicle\s+registration",
        r"reg\.?\s?no\b",
        r"fuhrpark",
        r"regist\w+[ ](?:your|my|the)[ ](?:car|vehicle)",
    )
)
"""Words about plates alone: what an authority's looks like, orders and models do, too."""

_NO_DISTRICT = frozenset("DIN EN ISO IEC VDE AK NR ART TYP ABS BGB ID IP PC TV EG EU UN US UK NO OK".split())
_DISTRICTS = frozenset(
    "A AA AB AC AE AIC AK AM AN AS AUR AW AZ B BA BAD BAR BB BC BGL BI BIT BL BM BN BO BOR BOT BRA BS BT BÖ C CB CE CHA CLP CO"
    " COC COE CUX CW D DA DAH DAN DAU DD DE DEG DEL DGF DH DLG DM DN DO DON DU DÜW E EA EBE ED EE EF EI EIC EL EM EMD EN ER"
    " ERB ERH ES ESW EU F FB FD FDS FF FFB FG FL FN FO FR FRG FRI FS FT FÜ G GAP GE GER GF GG GI GL GM GP GR GRZ GS GT GTH"
    " GÖ GÜ GZ H HA HAL HAM HB HBN HD HDH HE HEF HEI HEL HER HF HG HGW HH HI HL HM HN HO HOL HOM HP HR HRO HS HSK HST HU"
    " HVL HX HZ IGB IK IL IN IZ J JL K KA KB KC KE KEH KF KG KH KI KIB KL KLE KN KO KR KS KT KU KUS KÜN L LA LAU LB LD LDK"
    " LDS LER LEV LG LI LIF LIP LL LM LOS LRO LU LWL LÖ LÜN M MA MB MD MEI MG MH MI MIL MK MKK MM MN MOL MOS MR MS MSP MTK MTL"
    " MYK MZ MZG MÜ N NB ND NDH NE NEA NES NEW NF NI NK NM NMS NOH NOM NR NU NW NWM OA OAL OB OD OE OF OG OH OHA OHV OHZ OL"
    " OPR OS OSL P PA PAF PAN PB PCH PE PF PI PIR PLÖ PM PR PS R RA RD RE REG RO ROS ROW RP RS RT RV RW RZ RÜD S SAD SAW SB"
    " SC SE SG SHA SHG SHK SHL SI SIG SIM SK SL SLF SLK SLS SM SN SO SOK SON SP SPN SR ST STA STD STE SU SW SZ SÜW TBB TF"
    " TIR TO TR TS TUT TÖL TÜ UE UEM UER UL UM UN V VB VEC VER VG VIE VK VR VS W WAF WB WE WEN WES WF WHV WI WIL WL WM WN"
    " WND WO WOB WR WST WT WTM WUG WUN WW WÜ Z ZW ZI".split()
)


class NumberPlates:
    """Beside a word about vehicles; without one only where district, hyphen and group sizes leave no doubt."""

    cues = ()

    def find(self, text: str, language: str | None) -> Iterator[Span]:
        """See `Recognizer.find`."""
        for match in found(_PLATE, text, near_figures(text)):
            district, letters, digits = match["district"], match["letters"], match["digits"]
            if (district in _NO_DISTRICT and district not in ("AK", "NR", "EN")) or len(
                district + letters + digits
            ) > _LONGEST:
                continue
            called = is_called(_NAMES, text, *match.span())
            if (called and (district in _DISTRICTS or "-" in match["mark"])) or (
                not called and _is_unmistakable(match)
            ):
                yield Span(*match.span(), TYPE, compact(match[0]))
        for match in found(_AUTHORITY, text, near_figures(text)):
            if match["district"] in (None, *_DISTRICTS) and is_called(_PLATES, text, *match.span()):
                yield Span(*match.span(), TYPE, compact(match[0]))


def _is_unmistakable(match: re.Match[str]) -> bool:
    return (
        match["district"] in _DISTRICTS
        and match["mark"] == "-"
        and match["gap"] == " "
        and len(match["letters"]) == 2
        and len(match["digits"]) >= 2
        and f"{match['district']}{match['letters']}" not in ("DEEN", "ENDE")
    )
