"""Markets: the country that a message is priced for, by the number written to, else by the user id's country.

Countries are ISO 3166-1 alpha-2. Calling codes are those of ITU-T E.164; those that several countries share (+1, +7,
+44, +262, +599) are parted by the national plans.
"""

import re
from typing import Final

from hailgate.core.address import Address, AddressKind

UNKNOWN: Final = ""
LONGEST_PREFIX: Final = 6
_BSUID_COUNTRY: Final = re.compile(r"([A-Z]{2})\.")
_JID_NUMBER: Final = re.compile(r"(\d{7,15})(?::\d+)?@s\.whatsapp\.net")

_CODES: Final = """
1 US 7 RU 20 EG 27 ZA 30 GR 31 NL 32 BE 33 FR 34 ES 36 HU 39 IT 40 RO 41 CH 43 AT 44 GB 45 DK 46 SE 47 NO 48 PL 49 DE
51 PE 52 MX 53 CU 54 AR 55 BR 56 CL 57 CO 58 VE 60 MY 61 AU 62 ID 63 PH 64 NZ 65 SG 66 TH 76 KZ 77 KZ 81 JP 82 KR 84 VN
86 CN 90 TR 91 IN 92 PK 93 AF 94 LK 95 MM 98 IR 211 SS 212 MA 213 DZ 216 TN 218 LY 220 GM 221 SN 222 MR 223 ML 224 GN
225 CI 226 BF 227 NE 228 TG 229 BJ 230 MU 231 LR 232 SL 233 GH 234 NG 235 TD 236 CF 237 CM 238 CV 239 ST 240 GQ 241 GA
242 CG 243 CD 244 AO 245 GW 246 IO 247 SH 248 SC 249 SD 250 RW 251 ET 252 SO 253 DJ 254 KE 255 TZ 256 UG 257 BI 258 MZ
260 ZM 261 MG 262 RE 263 ZW 264 NA 265 MW 266 LS 267 BW 268 SZ 269 KM 290 SH 291 ER 297 AW 298 FO 299 GL 350 GI 351 PT
352 LU 353 IE 354 IS 355 AL 356 MT 357 CY 358 FI 359 BG 370 LT 371 LV 372 EE 373 MD 374 AM 375 BY 376 AD 377 MC 378 SM
380 UA 381 RS 382 ME 383 XK 385 HR 386 SI 387 BA 389 MK 420 CZ 421 SK 423 LI 500 FK 501 BZ 502 GT 503 SV 504 HN 505 NI
506 CR 507 PA 508 PM 509 HT 590 GP 591 BO 592 GY 593 EC 594 GF 595 PY 596 MQ 597 SR 598 UY 599 CW 670 TL 672 NF 673 BN
674 NR 675 PG 676 TO 677 SB 678 VU 679 FJ 680 PW 681 WF 682 CK 683 NU 685 WS 686 KI 687 NC 688 TV 689 PF 690 TK 691 FM
692 MH 850 KP 852 HK 853 MO 855 KH 856 LA 880 BD 886 TW 960 MV 961 LB 962 JO 963 SY 964 IQ 965 KW 966 SA 967 YE 968 OM
970 PS 971 AE 972 IL 973 BH 974 QA 975 BT 976 MN 977 NP 992 TJ 993 TM 994 AZ 995 GE 996 KG 998 UZ
1204 CA 1226 CA 1236 CA 1249 CA 1250 CA 1257 CA 1263 CA 1289 CA 1306 CA 1343 CA 1354 CA 1365 CA 1367 CA 1368 CA 1382 CA
1387 CA 1403 CA 1416 CA 1418 CA 1428 CA 1431 CA 1437 CA 1438 CA 1450 CA 1460 CA 1468 CA 1474 CA 1506 CA 1514 CA 1519 CA
1548 CA 1579 CA 1581 CA 1584 CA 1587 CA 1604 CA 1613 CA 1639 CA 1647 CA 1672 CA 1683 CA 1705 CA 1709 CA 1742 CA 1753 CA
1778 CA 1780 CA 1782 CA 1807 CA 1819 CA 1825 CA 1867 CA 1873 CA 1879 CA 1902 CA 1905 CA 1942 CA
1242 BS 1246 BB 1264 AI 1268 AG 1284 VG 1340 VI 1345 KY 1441 BM 1473 GD 1649 TC 1658 JM 1664 MS 1670 MP 1671 GU 1684 AS
1721 SX 1758 LC 1767 DM 1784 VC 1787 PR 1809 DO 1829 DO 1849 DO 1868 TT 1869 KN 1876 JM 1939 PR
441481 GG 447781 GG 447839 GG 447911 GG 441534 JE 447509 JE 447797 JE 447937 JE 441624 IM 447624 IM 447524 IM 447924 IM
262269 YT 262639 YT 5993 BQ 5994 BQ 5997 BQ
"""
_WORDS: Final = _CODES.split()
_BY_PREFIX: Final = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
MARKETS: Final = frozenset(_BY_PREFIX.values())


def market_of(address: Address) -> str:
    """`UNKNOWN` for groups, for ids that name no country, and for numbers of no country."""
    if address.kind is AddressKind.PHONE:
        return market_of_number(address.value)
    if address.kind is AddressKind.BSUID:
        found = _BSUID_COUNTRY.match(address.value)
        return found[1] if found else UNKNOWN
    found = _JID_NUMBER.fullmatch(address.value) if address.kind is AddressKind.JID else None
    return market_of_number(found[1]) if found else UNKNOWN


def market_of_number(digits: str) -> str:
    """By the longest prefix that is some country's."""
    prefixes = (digits[:length] for length in range(LONGEST_PREFIX, 0, -1))
    return next((_BY_PREFIX[prefix] for prefix in prefixes if prefix in _BY_PREFIX), UNKNOWN)
