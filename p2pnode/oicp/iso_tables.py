"""Country codes of ISO 3166-1 and the UTC offsets of time zones, for senders that write another form of them."""

_PAIRS = """
AD:AND AE:ARE AF:AFG AG:ATG AI:AIA AL:ALB AM:ARM AO:AGO AQ:ATA AR:ARG AS:ASM AT:AUT AU:AUS AW:ABW AX:ALA AZ:AZE
BA:BIH BB:BRB BD:BGD BE:BEL BF:BFA BG:BGR BH:BHR BI:BDI BJ:BEN BL:BLM BM:BMU BN:BRN BO:BOL BQ:BES BR:BRA BS:BHS
BT:BTN BV:BVT BW:BWA BY:BLR BZ:BLZ CA:CAN CC:CCK CD:COD CF:CAF CG:COG CH:CHE CI:CIV CK:COK CL:CHL CM:CMR CN:CHN
CO:COL CR:CRI CU:CUB CV:CPV CW:CUW CX:CXR CY:CYP CZ:CZE DE:DEU DJ:DJI DK:DNK DM:DMA DO:DOM DZ:DZA EC:ECU EE:EST
EG:EGY EH:ESH ER:ERI ES:ESP ET:ETH FI:FIN FJ:FJI FK:FLK FM:FSM FO:FRO FR:FRA GA:GAB GB:GBR GD:GRD GE:GEO GF:GUF
GG:GGY GH:GHA GI:GIB GL:GRL GM:GMB GN:GIN GP:GLP GQ:GNQ GR:GRC GS:SGS GT:GTM GU:GUM GW:GNB GY:GUY HK:HKG HM:HMD
HN:HND HR:HRV HT:HTI HU:HUN ID:IDN IE:IRL IL:ISR IM:IMN IN:IND IO:IOT IQ:IRQ IR:IRN IS:ISL IT:ITA JE:JEY JM:JAM
JO:JOR JP:JPN KE:KEN KG:KGZ KH:KHM KI:KIR KM:COM KN:KNA KP:PRK KR:KOR KW:KWT KY:CYM KZ:KAZ LA:LAO LB:LBN LC:LCA
LI:LIE LK:LKA LR:LBR LS:LSO LT:LTU LU:LUX LV:LVA LY:LBY MA:MAR MC:MCO MD:MDA ME:MNE MF:MAF MG:MDG MH:MHL MK:MKD
ML:MLI MM:MMR MN:MNG MO:MAC MP:MNP MQ:MTQ MR:MRT MS:MSR MT:MLT MU:MUS MV:MDV MW:MWI MX:MEX MY:MYS MZ:MOZ NA:NAM
NC:NCL NE:NER NF:NFK NG:NGA NI:NIC NL:NLD NO:NOR NP:NPL NR:NRU NU:NIU NZ:NZL OM:OMN PA:PAN PE:PER PF:PYF PG:PNG
PH:PHL PK:PAK PL:POL PM:SPM PN:PCN PR:PRI PS:PSE PT:PRT PW:PLW PY:PRY QA:QAT RE:REU RO:ROU RS:SRB RU:RUS RW:RWA
SA:SAU SB:SLB SC:SYC SD:SDN SE:SWE SG:SGP SH:SHN SI:SVN SJ:SJM SK:SVK SL:SLE SM:SMR SN:SEN SO:SOM SR:SUR SS:SSD
ST:STP SV:SLV SX:SXM SY:SYR SZ:SWZ TC:TCA TD:TCD TF:ATF TG:TGO TH:THA TJ:TJK TK:TKL TL:TLS TM:TKM TN:TUN TO:TON
TR:TUR TT:TTO TV:TUV TW:TWN TZ:TZA UA:UKR UG:UGA UM:UMI US:USA UY:URY UZ:UZB VA:VAT VC:VCT VE:VEN VG:VGB VI:VIR
VN:VNM VU:VUT WF:WLF WS:WSM YE:YEM YT:MYT ZA:ZAF ZM:ZMB ZW:ZWE
"""

ALPHA_3: dict[str, str] = {pair[:2]: pair[3:] for pair in _PAIRS.split()}
"""ISO 3166-1 alpha-3 by alpha-2."""

_ZONES = {
    "UTC-10:00": "Pacific/Honolulu",
    "UTC-09:00": "America/Anchorage",
    "UTC-08:00": "America/Los_Angeles America/Vancouver America/Tijuana",
    "UTC-07:00": "America/Denver America/Phoenix America/Edmonton",
    "UTC-06:00": "America/Chicago America/Winnipeg America/Mexico_City America/Costa_Rica",
    "UTC-05:00": "America/New_York America/Detroit America/Toronto America/Montreal America/Bogota America/Lima",
    "UTC-04:00": "America/Halifax America/Puerto_Rico America/Santiago America/Caracas",
    "UTC-03:30": "America/St_Johns",
    "UTC-03:00": "America/Sao_Paulo America/Argentina/Buenos_Aires America/Buenos_Aires America/Montevideo",
    "UTC-01:00": "Atlantic/Azores",
    "UTC+00:00": """UTC GMT Z Etc/UTC Etc/GMT Europe/London Europe/Dublin Europe/Lisbon Europe/Guernsey Europe/Jersey
        Europe/Isle_of_Man Europe/Belfast Atlantic/Reykjavik Atlantic/Canary Atlantic/Madeira Atlantic/Faroe WET""",
    "UTC+01:00": """CET MET Europe/Amsterdam Europe/Andorra Europe/Belgrade Europe/Berlin Europe/Bratislava
        Europe/Brussels Europe/Budapest Europe/Busingen Europe/Copenhagen Europe/Gibraltar Europe/Ljubljana
        Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Paris Europe/Podgorica
        Europe/Prague Europe/Rome Europe/San_Marino Europe/Sarajevo Europe/Skopje Europe/Stockholm Europe/Tirane
        Europe/Vaduz Europe/Vatican Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich Arctic/Longyearbyen
        Africa/Ceuta Africa/Tunis Africa/Algiers Africa/Lagos""",
    "UTC+02:00": """EET Europe/Athens Europe/Bucharest Europe/Chisinau Europe/Helsinki Europe/Kaliningrad Europe/Kiev
        Europe/Kyiv Europe/Mariehamn Europe/Riga Europe/Sofia Europe/Tallinn Europe/Uzhgorod Europe/Vilnius
        Europe/Zaporozhye Europe/Nicosia Asia/Nicosia Asia/Famagusta Asia/Jerusalem Asia/Beirut Africa/Cairo
        Africa/Johannesburg""",
    "UTC+03:00": """Europe/Istanbul Europe/Minsk Europe/Moscow Europe/Simferopol Asia/Istanbul Asia/Amman Asia/Riyadh
        Asia/Qatar Asia/Kuwait Asia/Bahrain Africa/Nairobi""",
    "UTC+04:00": "Europe/Samara Asia/Dubai Asia/Muscat Asia/Tbilisi Asia/Yerevan Asia/Baku",
    "UTC+05:30": "Asia/Kolkata Asia/Calcutta Asia/Colombo",
    "UTC+07:00": "Asia/Bangkok Asia/Jakarta Asia/Ho_Chi_Minh",
    "UTC+08:00": "Asia/Shanghai Asia/Hong_Kong Asia/Singapore Asia/Kuala_Lumpur Asia/Taipei Australia/Perth",
    "UTC+09:00": "Asia/Tokyo Asia/Seoul",
    "UTC+09:30": "Australia/Adelaide Australia/Darwin",
    "UTC+10:00": "Australia/Sydney Australia/Melbourne Australia/Brisbane Australia/Hobart",
    "UTC+12:00": "Pacific/Auckland",
}

STANDARD_OFFSETS: dict[str, str] = {name: offset for offset, zones in _ZONES.items() for name in zones.split()}
"""The offset in standard time, as TimeZoneType writes it, by the zone's name of the IANA database."""
