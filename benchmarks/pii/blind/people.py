"""What is known of people: names, addresses of mail, telephones, homes and dates of birth, as they are written down."""

from __future__ import annotations

import random
import unicodedata

from benchmarks.pii.blind.values import Make, cut, digits, nonzero

FIRST_DE = "Anna Jürgen Katharina Mehmet Łukasz Sören Ayşe Björn Heike Torsten Fatima Dieter Lena Kevin Hannelore Jan-Philipp Marie-Luise Uwe Zeynep Giovanni Birgit Ole Annegret Tobias Svetlana Karl-Heinz Mia Emre Wiebke Xaver".split()
LAST_DE = "Müller Schmidtke Yılmaz Kowalski Brandstätter Öztürk Hölzl Petersen Nguyen Schulze-Wegener Lindqvist Haberkorn Grünwald Böhm Al-Masri Fuchs Niedermeier Janßen Zwingli Rossi Dombrowski Weißgerber Kaya Stöckl Rüegg Hagedorn Bäumler Tschirner Vogelsang Obermoser".split()
FIRST_EN = "James Olivia Priya Declan Siobhan Marcus Chloe Ethan Aaliyah Graham Harriet Diego Nkechi Stephen Ruth Liam Zara Wei Malcolm Bethany".split()
LAST_EN = "Whitfield Okafor Patel O'Sullivan Harding Nakamura Ellsworth Ramirez MacLeod Brennan Cartwright Dubois Hargreaves Lin Sandoval Pemberton Gallagher Ferris Abbott Thorne".split()

_TOWNS_DE = "10115 Berlin|20354 Hamburg|80331 München|50667 Köln|60311 Frankfurt am Main|70173 Stuttgart|04109 Leipzig|01067 Dresden|28195 Bremen|30159 Hannover|90402 Nürnberg|45127 Essen|44135 Dortmund|53111 Bonn|48143 Münster|76133 Karlsruhe|86150 Augsburg|65183 Wiesbaden|24103 Kiel|23552 Lübeck|99084 Erfurt|55116 Mainz|79098 Freiburg im Breisgau|66111 Saarbrücken|14467 Potsdam|18055 Rostock|37073 Göttingen|93047 Regensburg|97070 Würzburg|72070 Tübingen|89073 Ulm|63739 Aschaffenburg|26122 Oldenburg (Oldb)|17489 Greifswald|06108 Halle (Saale)|88662 Überlingen|83471 Berchtesgaden|25980 Sylt / OT Westerland|15230 Frankfurt (Oder)|36037 Fulda|73728 Esslingen a. N.|87527 Sonthofen|06844 Dessau-Roßlau|82467 Garmisch-Partenkirchen|67433 Neustadt an der Weinstraße".split(
    "|"
)
_STREETS_DE = "Hauptstraße|Goethestr.|Am Alten Markt|An der Alster|Unter den Linden|Zum Seeblick|Im Wiesengrund|Kurfürstendamm|Königsallee|Jungfernstieg|Graf-Adolf-Platz|Karl-Marx-Allee|Straße des 17. Juni|Platz der Republik|Alte Gasse|Domplatz|Lange Reihe|Holstenwall|Neuer Wall|Schwarzer Weg|Auf der Heide|Ringstr.|Bahnhofsvorplatz|Gänsemarkt|Mühlenkamp|Prinzregentenufer|Lindenhof|Schloßberg|In den Weinbergen|Hinter der Kirche|Große Bleichen|Stadtgraben|Lange Straße|Obere Bachgasse|Rothenbaumchaussee|Osterfeldstieg|Steintwiete|Dr.-Hans-Böckler-Str.|Geschwister-Scholl-Straße|Konrad-Adenauer-Ring|Mühlweg|Gartenstrasse|Alte Landstraße|Friedrich-Ebert-Anlage|St.-Anna-Str.|Sankt-Jakobs-Platz|Theaterplatz|Krumme Str.|Am Hang|Birkenallee|Werner-von-Siemens-Str.|Kirchplatz|Nordendstr|Berliner Str.|Kleine Fischergasse|Zur Alten Mühle|Heinrich-Heine-Weg|Postplatz|Wilhelmshöher Allee|Rosenhag".split(
    "|"
)
_TOWNS_AT = "1010 Wien|1060 Wien|1220 Wien|8010 Graz|4020 Linz|5020 Salzburg|6020 Innsbruck|9020 Klagenfurt am Wörthersee|6900 Bregenz|3100 St. Pölten|7000 Eisenstadt|2500 Baden bei Wien|A-8045 Graz|A-1040 Wien".split(
    "|"
)
_STREETS_AT = "Mariahilfer Straße|Kärntner Ring|Landstraßer Hauptstraße|Linzer Gasse|Josefstädter Straße|Am Graben|Rennweg|Franz-Josefs-Kai|Lendkai|Schottengasse|Hietzinger Kai|Dr.-Karl-Renner-Platz".split(
    "|"
)
_TOWNS_CH = "8001 Zürich|3011 Bern|4051 Basel|6003 Luzern|9000 St. Gallen|8400 Winterthur|CH-8005 Zürich|CH-6300 Zug|7000 Chur|5000 Aarau".split(
    "|"
)
_STREETS_CH = "Bahnhofstrasse|Seestrasse|Limmatquai|Marktgasse|Steinentorstrasse|Pilatusstrasse|Rämistrasse|Im Niederholzboden|Kornhausplatz|Weinbergstrasse".split(
    "|"
)
_ROMAND = "1204 Genève|1003 Lausanne|CH-2000 Neuchâtel|1700 Fribourg".split("|")
_STREETS_UK = "High Street|Baker Street|Station Road|Church Lane|Victoria Avenue|The Crescent|Mill Lane|King's Road|Elm Grove|St. John's Wood Road|Queensway|Market Place|Primrose Hill|Harley Mews".split(
    "|"
)
_TOWNS_UK = "London NW1 6XE|London, SW1A 2AA|Manchester M1 4BT|Leeds LS1 5DL|Bristol BS8 1TH|Oxford, OX1 2JD|Edinburgh EH1 1YZ|Cardiff CF10 3AT|Sheffield S1 2HE|Norwich NR2 1TF|Reading, Berkshire RG1 7QE|Belfast BT1 5GS".split(
    "|"
)
_STREETS_US = "Main Street|Pennsylvania Ave NW|Fifth Avenue|Oak Dr|Sunset Blvd|Elm St.|W 34th St|Martin Luther King Jr. Blvd|Maple Lane|County Road 12|Lakeshore Drive|Broadway|NE Couch St|Peachtree Rd|Willow Ct".split(
    "|"
)
_TOWNS_US = "Springfield, IL 62701|New York, NY 10118|Washington, DC 20500|Austin, TX 78701|Portland, OR 97232|San Francisco, CA 94103-1234|Atlanta, GA 30305|Boston, MA 02108|Denver, Colorado 80203|Nashville, TN 37203|Ann Arbor MI 48104|Seattle WA 98101".split(
    "|"
)


def name_de(rng: random.Random) -> str:
    """A German, Turkish, Polish … full name."""
    middle = rng.choice(("", "", "", "", "von ", "van der "))
    return f"{rng.choice(FIRST_DE)} {middle}{rng.choice(LAST_DE)}"


def name_en(rng: random.Random) -> str:
    """A full name as in Britain or the United States."""
    middle = rng.choice(("", "", "", f"{rng.choice('ABCDEJLMRST')}. "))
    return f"{rng.choice(FIRST_EN)} {middle}{rng.choice(LAST_EN)}"


def surname_de(rng: random.Random) -> str:
    """A surname, to stand behind Herr or Frau."""
    return rng.choice(LAST_DE)


def surname_en(rng: random.Random) -> str:
    """A surname, to stand behind Mr or Ms."""
    return rng.choice(LAST_EN)


def _ascii(text: str) -> str:
    for umlaut, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("ı", "i"), ("ł", "l"), ("'", "")):
        text = text.replace(umlaut, plain)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def email(rng: random.Random) -> str:
    """Local parts and domains of firms, providers, schools and authorities."""
    first, last = _ascii(rng.choice(FIRST_DE + FIRST_EN).lower()), _ascii(rng.choice(LAST_DE + LAST_EN).lower())
    local = rng.choice(
        (
            f"{first}.{last}",
            f"{first[0]}.{last}",
            f"{first}_{last}",
            f"{last}{rng.randint(1, 99)}",
            f"{first}-{last}",
            f"{last}+news",
            f"{first}.{last}.ext",
            f"{first[0]}{last}",
            "info",
            "office",
            "bewerbung",
            f"{first}.{last}".title(),
            f"{first.upper()}.{last.upper()}",
        )
    )
    domain = rng.choice(
        "gmx.de web.de t-online.de gmail.com posteo.de outlook.com bluewin.ch a1.net nordlicht-software.de stud.uni-goettingen.de stadt.bremen.de mail.ethz.ch müller-dach.de example.co.uk finanzamt.bayern.de cs.ox.ac.uk acme-industries.io kita-regenbogen.berlin foo.museum praxis.hamburg 3sat-fanclub.at".split()
    )
    return f"{local}@{domain}"


def email_hidden(rng: random.Random) -> str:
    """The same, as imprint pages write it against robots."""
    local, _, domain = email(rng).partition("@")
    at = rng.choice((" (at) ", "(at)", " [at] ", "[at]", " @ ", " {at} "))
    if rng.random() < 0.4:
        domain = domain.replace(".", rng.choice((" (dot) ", " [dot] ", " (punkt) ")))
    return f"{local}{at}{domain}"


# --- telephones -----------------------------------------------------------------------------------------------------

_AREAS = "30 40 89 221 69 711 341 351 421 511 911 201 231 228 251 721 821 611 431 451 361 6131 761 681 331 381 551 941 931 7071 731 6021 441 3834 345 7551 8652 4651 335 661".split()
_MOBILE = "151 152 155 157 159 160 162 163 170 171 172 173 174 175 176 177 178 179".split()


def _local(rng: random.Random, area: str) -> str:
    return nonzero(rng, rng.randint(9, 11) - len(area) - (len(area) > 3))


def phone_de(rng: random.Random) -> str:
    """Landlines and mobiles, as letterheads, signatures and people write them."""
    if rng.random() < 0.45:
        area, number = rng.choice(_MOBILE), nonzero(rng, rng.choice((7, 7, 8)))
    else:
        area = rng.choice(_AREAS)
        number = _local(rng, area)
    pairs = " ".join(number[at : at + 2] for at in range(0, len(number), 2))
    threes = cut(number, [3, 2])
    direct = f"{number[:-3]}-{number[-3:]}" if len(number) > 5 else f"{number}-0"
    return rng.choice(
        (
            f"0{area} {number}", f"0{area} {pairs}", f"0{area}/{number}", f"0{area} / {threes}", f"0{area}-{number}", f"(0{area}) {number}", f"(0{area}) {pairs}",
            f"0{area}{number}", f"0{area} {direct}", f"0{area}/{direct}", f"+49 {area} {number}", f"+49{area}{number}", f"+49 (0){area} {number}", f"+49(0){area}-{number}",
            f"+49 (0) {area} / {pairs}", f"0049 {area} {number}", f"0049{area}{number}", f"+49-{area}-{number}", f"+49 ({area}) {number}", f"0{area}.{number}", f"0{area} – {number}",
            f"+49\u00a0{area}\u00a0{number}", f"+49.{area}.{number}", f"+49 {area} {pairs}", f"0 {area} / {pairs}", f"+49 {area}\n{number}", f"+49/{area}/{number}", f"0{area}\u00a0/\u00a0{threes}",
        )
    )  # fmt: skip


def phone_at_ch(rng: random.Random) -> str:
    """Austria and Switzerland."""
    if rng.random() < 0.5:
        area = rng.choice(("1", "316", "732", "662", "512", "463", "5574", "664", "676", "699", "650", "660"))
        number = nonzero(rng, 7 if area in ("1", "664", "676", "699", "650", "660") else 6)
        return rng.choice(
            (
                f"+43 {area} {number}",
                f"+43 (0){area} {cut(number, [3, 2])}",
                f"0{area} {number}",
                f"0{area}/{number}",
                f"0{area} / {cut(number, [3, 2])}",
                f"+43/{area}/{number}",
                f"0043 {area} {number}",
                f"+43{area}{number}",
                f"(0{area}) {number}",
                f"+43-{area}-{number}",
                f"0{area}/{cut(number, [2, 2])}-{rng.randint(10, 99)}",
            )
        )
    area, number = rng.choice(("44", "43", "31", "61", "41", "71", "22", "21", "79", "78", "76", "77")), nonzero(rng, 7)
    spaced = cut(number, [3, 2])
    return rng.choice(
        (
            f"+41 {area} {spaced}",
            f"0{area} {spaced}",
            f"+41 (0){area} {spaced}",
            f"0041 {area} {spaced}",
            f"0{area}/{spaced}",
            f"0{area}{number}",
            f"+41{area}{number}",
            f"0{area} {cut(number, [3, 2], '.')}",
            f"+41-{area}-{cut(number, [3, 2], '-')}",
            f"0{area}\u00a0{cut(number, [3, 2], chr(160))}",
        )
    )


def phone_en(rng: random.Random) -> str:
    """Britain, Ireland, the United States, and what visitors from elsewhere leave."""
    area, middle, end = (
        rng.choice("212 415 617 312 206 512 303 404 503 617 734".split()),
        rng.choice("234 367 482 682 739 845 926".split()),
        digits(rng, 4),
    )
    us = (
        f"({area}) {middle}-{end}",
        f"{area}-{middle}-{end}",
        f"{area}.{middle}.{end}",
        f"+1 {area} {middle} {end}",
        f"+1 ({area}) {middle}-{end}",
        f"1-{area}-{middle}-{end}",
        f"+1-{area}-{middle}-{end}",
        f"{area} {middle} {end}",
        f"({area}) {middle}-{end} ext. {rng.randint(10, 999)}",
        f"+1{area}{middle}{end}",
        f"({area}){middle}-{end}",
        f"({area})\u00a0{middle}-{end}",
    )
    uk_body = rng.choice("2 3 4 5 6 7".split()) + digits(rng, 7)
    mobile = rng.choice(("7400", "7700", "7911", "7834", "7525")) + digits(rng, 6)
    uk = (
        f"020 7{cut(uk_body[1:], [3])}",
        f"+44 20 7{cut(uk_body[1:], [3])}",
        f"+44 (0)20 7{cut(uk_body[1:], [3])}",
        f"0{mobile[:4]} {mobile[4:]}",
        f"+44 {mobile[:4]} {mobile[4:]}",
        f"0{mobile}",
        f"+44{mobile}",
        f"0161 496 {digits(rng, 4)}",
        f"(0117) 496 {digits(rng, 4)}",
        f"01865 2{digits(rng, 5)}",
        f"0044 20 7{uk_body[1:]}",
    )
    other = (
        f"+33 1 42 {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
        f"+33 (0)6 12 {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
        f"+39 06 69{digits(rng, 6)}",
        f"+31 20 62{digits(rng, 5)}",
        f"+34 91 5{digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
        f"+48 22 6{digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
        f"+353 1 67{digits(rng, 5)}",
        f"+90 212 2{digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
        f"+91 98{digits(rng, 3)} {digits(rng, 5)}",
        f"+61 2 9{digits(rng, 3)} {digits(rng, 4)}",
        f"+46 8 5{digits(rng, 2)} {digits(rng, 3)} {digits(rng, 2)}",
        f"+32 2 5{digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
        f"+420 2{digits(rng, 2)} {digits(rng, 3)} {digits(rng, 3)}",
        f"+45 33 {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
    )
    return rng.choice(rng.choice((us, us, uk, uk, other)))


_SAID_DE = "null eins zwei drei vier fünf sechs sieben acht neun".split()
_SAID_EN = "zero one two three four five six seven eight nine".split()


def phone_said_de(rng: random.Random) -> str:
    """A number as a transcript writes what was said."""
    number = "0" + rng.choice(_MOBILE) + nonzero(rng, 7)
    words = ["zwo" if c == "2" and rng.random() < 0.4 else _SAID_DE[int(c)] for c in number]
    return ", ".join(" ".join(words[a:b]) for a, b in ((0, 4), (4, 7), (7, 11)))


def phone_said_en(rng: random.Random) -> str:
    """The same in English."""
    number = rng.choice(("07", "020")) + nonzero(rng, 8)
    words = ["oh" if c == "0" else _SAID_EN[int(c)] for c in number]
    return ", ".join(" ".join(words[a:b]) for a, b in ((0, 4), (4, 7), (7, 11)))


# --- homes ----------------------------------------------------------------------------------------------------------


def _number(rng: random.Random) -> str:
    n = rng.randint(1, 180)
    return rng.choice(
        (
            str(n),
            str(n),
            str(n),
            str(n),
            f"{n}a",
            f"{n} b",
            f"{n}-{n + 2}",
            f"{n} – {n + 4}",
            f"{n}/{rng.randint(1, 4)}",
            f"Nr. {n}",
            f"{n} A",
            f"{n}c/d",
        )
    )


def street_de(rng: random.Random) -> str:
    """Street and number."""
    return f"{rng.choice(_STREETS_DE)} {_number(rng)}"


def address_de(rng: random.Random) -> str:
    """A German address in a line or several."""
    town = rng.choice(_TOWNS_DE)
    between = rng.choice((", ", ", ", ", ", "\n", " in ", " · ", " | ", " - ", ",\n", "; "))
    form = rng.random()
    if form < 0.7:
        return f"{street_de(rng)}{between}{rng.choice(('', '', '', 'D-', 'DE-'))}{town}"
    if form < 0.76:
        return f"Postfach {rng.choice((nonzero(rng, 4), cut(nonzero(rng, 6), [2, 2]), cut(nonzero(rng, 4), [2])))}{between}{town}"
    if form < 0.8:
        return f"{rng.choice('ABCDEFGHJKLMNOPQRSTU')}{rng.choice(('', ' '))}{rng.randint(1, 7)}, {rng.randint(1, 28)}{between}68161 Mannheim"
    if form < 0.86:
        return f"{street_de(rng)}, {rng.choice(('3. OG', 'Hinterhaus', '2. Etage links', 'App. 14', 'Haus B', 'EG rechts', 'Whg. 12'))}{between}{town}"
    if form < 0.9:
        return f"Packstation {rng.randint(101, 299)}{between}{town}"
    if form < 0.95:
        return f"{rng.choice(('Gut Hohenfelde', 'Schloss Auerstein', 'Am Marktplatz', 'Hof Lindenbach', 'Alte Schule'))}{between}{town}"
    return f"{town}, {street_de(rng)}"


def address_at_ch(rng: random.Random) -> str:
    """Vienna with staircase and door, Swiss without ß, in French too."""
    between = rng.choice((", ", ", ", "\n", " · "))
    if rng.random() < 0.5:
        n = rng.randint(1, 120)
        number = rng.choice(
            (
                f"{n}",
                f"{n}/{rng.randint(1, 9)}/{rng.randint(1, 40)}",
                f"{n}/{rng.randint(1, 40)}",
                f"{n}/Stiege {rng.randint(1, 5)}/Tür {rng.randint(1, 30)}",
                f"{n}, Stg. {rng.randint(1, 5)}, Top {rng.randint(1, 30)}",
                f"{n}/Top {rng.randint(1, 30)}",
            )
        )
        return f"{rng.choice(_STREETS_AT)} {number}{between}{rng.choice(_TOWNS_AT)}"
    if rng.random() < 0.25:
        return f"{rng.choice(('Rue du Rhône', 'Avenue de la Gare', 'Chemin des Fleurettes', 'Place du Marché'))} {rng.randint(1, 90)}{between}{rng.choice(_ROMAND)}"
    return f"{rng.choice(_STREETS_CH)} {rng.randint(1, 200)}{rng.choice(('', '', 'a'))}{between}{rng.choice(_TOWNS_CH)}"


def address_en(rng: random.Random) -> str:
    """British and American addresses."""
    between = rng.choice((", ", ", ", "\n"))
    n = rng.randint(1, 2400)
    if rng.random() < 0.5:
        home = rng.choice(
            (
                f"{n % 200 + 1} {rng.choice(_STREETS_UK)}",
                f"Flat {n % 30 + 1}, {n % 120 + 1} {rng.choice(_STREETS_UK)}",
                f"{n % 200 + 1}A {rng.choice(_STREETS_UK)}",
                f"Unit {n % 20 + 1}, Riverside Business Park",
                f"Rose Cottage, {rng.choice(_STREETS_UK)}",
            )
        )
        return f"{home}{between}{rng.choice(_TOWNS_UK)}"
    home = rng.choice(
        (
            f"{n} {rng.choice(_STREETS_US)}",
            f"{n} {rng.choice(_STREETS_US)}",
            f"{n} {rng.choice(_STREETS_US)}, Suite {n % 900 + 1}",
            f"{n} {rng.choice(_STREETS_US)} Apt {n % 40 + 1}B",
            f"{n} {rng.choice(_STREETS_US)}, #{n % 50 + 1}",
            f"PO Box {n}",
            f"P.O. Box {n}",
        )
    )
    return f"{home}{between}{rng.choice(_TOWNS_US)}"


def street_en(rng: random.Random) -> str:
    """Number and street alone."""
    return f"{rng.randint(1, 900)} {rng.choice(_STREETS_UK + _STREETS_US)}".rstrip(".")


# --- dates of birth -------------------------------------------------------------------------------------------------

_MONTHS_DE = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
_SHORT_DE = "Jan. Feb. März Apr. Mai Jun. Jul. Aug. Sept. Okt. Nov. Dez.".split()
MONTHS_EN = "January February March April May June July August September October November December".split()
_TH_DE = "ersten zweiten dritten vierten fünften sechsten siebten achten neunten zehnten elften zwölften dreizehnten vierzehnten fünfzehnten sechzehnten siebzehnten achtzehnten neunzehnten zwanzigsten einundzwanzigsten zweiundzwanzigsten dreiundzwanzigsten vierundzwanzigsten fünfundzwanzigsten sechsundzwanzigsten siebenundzwanzigsten achtundzwanzigsten".split()
_TH_EN = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth".split()
_TENS_DE = {3: "dreißig", 4: "vierzig", 5: "fünfzig", 6: "sechzig", 7: "siebzig", 8: "achtzig", 9: "neunzig"}
_TENS_EN = {3: "thirty", 4: "forty", 5: "fifty", 6: "sixty", 7: "seventy", 8: "eighty", 9: "ninety"}
_ONES_DE = " einund zweiund dreiund vierund fünfund sechsund siebenund achtund neunund".split(" ")


def _birth(rng: random.Random) -> tuple[int, int, int]:
    return rng.randint(1, 28), rng.randint(1, 12), rng.randint(1930, 2012)


def birth_de(rng: random.Random) -> str:
    """A date of birth in German figures and months."""
    d, m, y = _birth(rng)
    month = "Jänner" if m == 1 and rng.random() < 0.3 else _MONTHS_DE[m - 1]
    return rng.choice(
        (
            f"{d:02d}.{m:02d}.{y}",
            f"{d:02d}.{m:02d}.{y}",
            f"{d}.{m}.{y}",
            f"{d}. {month} {y}",
            f"{d}. {month} {y}",
            f"{d}. {_SHORT_DE[m - 1]} {y}",
            f"{d:02d}.{m:02d}.{y % 100:02d}",
            f"{y}-{m:02d}-{d:02d}",
            f"{d:02d}/{m:02d}/{y}",
            f"{d:02d}-{m:02d}-{y}",
            f"{d}.{month} {y}",
            f"{d}.\u00a0{month}\u00a0{y}",
            f"{d:02d}. {m:02d}. {y}",
            f"{d}. {m}. {y}",
            f"{d:02d}.{m:02d}.\n{y}",
            f"{d}. {month}\n{y}",
        )
    )


def birth_words_de(rng: random.Random) -> str:
    """Spelled out, as it is said."""
    d, m, y = _birth(rng)
    y = 1930 + y % 70
    year = str(y) if rng.random() < 0.6 else f"neunzehnhundert{_ONES_DE[y % 10]}{_TENS_DE[y % 100 // 10]}"
    return f"{_TH_DE[d - 1]} {_MONTHS_DE[m - 1]} {year}"


def birth_words_nominative_de(rng: random.Random) -> str:
    """`dritte März 1980`, as an answer gives it."""
    return birth_words_de(rng).replace("ten ", "te ", 1)


def birth_month_de(rng: random.Random) -> str:
    """Month and year alone."""
    _, m, y = _birth(rng)
    return f"{_MONTHS_DE[m - 1]} {y}"


def birth_en(rng: random.Random) -> str:
    """A date of birth in English, British and American orders."""
    d, m, y = _birth(rng)
    month, ending = MONTHS_EN[m - 1], {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(d, "th")
    return rng.choice(
        (
            f"{month} {d}, {y}",
            f"{month} {d}, {y}",
            f"{d} {month} {y}",
            f"{d} {month} {y}",
            f"{d}{ending} {month} {y}",
            f"{d}{ending} of {month}, {y}",
            f"{month[:3]} {d}, {y}",
            f"{m:02d}/{d:02d}/{y}",
            f"{m}/{d}/{y % 100:02d}",
            f"{d:02d}/{m:02d}/{y}",
            f"{y}-{m:02d}-{d:02d}",
            f"{d}-{month[:3]}-{y}",
            f"{d:02d} {month[:3].upper()} {y}",
            f"{month} {d}{ending}, {y}",
            f"{y}/{m:02d}/{d:02d}",
            f"{d:02d}.{m:02d}.{y}",
            f"{month} {d},\n{y}",
            f"{month[:3]}. {d}, {y}",
        )
    )


def birth_words_en(rng: random.Random) -> str:
    """Spelled out, as it is said."""
    d, m, y = _birth(rng)
    y = 1930 + y % 70
    one = " one two three four five six seven eight nine".split(" ")[y % 10]
    said = f"nineteen {_TENS_EN[y % 100 // 10]}{'-' + one if one else ''}"
    year = str(y) if rng.random() < 0.6 else said
    return rng.choice(
        (f"the {_TH_EN[d - 1]} of {MONTHS_EN[m - 1]} {year}", f"{MONTHS_EN[m - 1]} {_TH_EN[d - 1]}, {year}")
    )


def birth_month_en(rng: random.Random) -> str:
    """Month and year alone."""
    _, m, y = _birth(rng)
    return f"{MONTHS_EN[m - 1]} {y}"


def registry() -> dict[str, Make]:
    """Slots and how their values are made, those of this module; the type is what stands before the colon."""
    return {
        "PERSON:de": name_de, "PERSON:en": name_en, "PERSON:dename": surname_de, "PERSON:enname": surname_en,
        "EMAIL": email, "EMAIL:hidden": email_hidden,
        "PHONE:de": phone_de, "PHONE:atch": phone_at_ch, "PHONE:en": phone_en, "PHONE:saidde": phone_said_de, "PHONE:saiden": phone_said_en,
        "ADDRESS:de": address_de, "ADDRESS:atch": address_at_ch, "ADDRESS:en": address_en, "ADDRESS:street": street_de, "ADDRESS:streeten": street_en,
        "DATE_OF_BIRTH:de": birth_de, "DATE_OF_BIRTH:wordsde": birth_words_de, "DATE_OF_BIRTH:wordsder": birth_words_nominative_de, "DATE_OF_BIRTH:monthde": birth_month_de,
        "DATE_OF_BIRTH:en": birth_en, "DATE_OF_BIRTH:wordsen": birth_words_en, "DATE_OF_BIRTH:monthen": birth_month_en,
    }  # fmt: skip
