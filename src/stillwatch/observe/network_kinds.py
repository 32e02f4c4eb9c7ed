"""What a network is for, read from the name of its autonomous system.

A name is a hint, not a fact. The rules are conservative: whole words, several languages, and a name
that says nothing stays ``unknown``, which is what most names say. Nothing here looks at a country.
How often the rules are right was measured: see docs/decisions/0002-network-data.md.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["KINDS", "kind_of_name"]

# Codes of the kinds in the shipped data file: positions in this tuple. Only ever append.
KINDS = ("unknown", "hosting", "education", "vpn")

_EDUCATION = re.compile(
    r"\b("
    # Universities, colleges and schools, in the spellings that registries hold.
    r"universit(y|ies|e|a|at|aet|et|eit|eti|esi|as|atea|ate|i|air[es]|ari[ao])|universidade?s?|univ"
    r"|uniwersytet|univerzit[ay]|universitet[a-z]*|yliopisto|egyetem|korkeakoulu|hogskola|hogeschool"
    r"|(fach)?hochschule|colleges?|ecole (normale|polytechnique|superieure|nationale|centrale)"
    r"|schools?( district| board)?|polytechnic|politecnic[oa]|politechnika|politeknik|polytechnique"
    r"|institut[eo]?s? (of|for) (advanced )?(science and )?technology|advanced institute of science"
    r"|institut[oe]? (tecnologic[oa]|teknologi|federal)|academy of sciences?|academia sinica"
    # Research and education networks, by what they are called.
    r"|academic (and research )?(computer )?(network|centre|center)|research (and|&) education"
    r"|education (and|&) research|academic and research"
    r"|education(al)? (computer )?(network|telecom[a-z]*)|higher education|nren"
    r"|(department|ministry|office|board) of education|council for education"
    r"|(national )?research network|forschungsnetz(es)?|forskningsnettet"
    # … and those whose proper name does not say so.
    r"|renater|consortium garr|surf b\.?v\.?|jisc services|heanet|belnet|cesnet|aconet|sunet|nordunet"
    r"|canarie|aarnet|reannz|kreonet|cernet|cstnet|rediris|uninett|funet|ernet india|internet2"
    r"|^esnet$|^switch$|national knowledge network|geant vereniging|arnes"
    r")\b"
)
# Names with an education word that are something else.
_NOT_EDUCATION = re.compile(
    r"\b(college (park|station|place|hill)|university (park|place|heights)|credit union|savings bank)\b"
    r"|^(the )?(city|town|village) of\b"
)
_HOSTING = re.compile(
    r"\b("
    r"[a-z0-9]*hosting[a-z]*|hosts?|hoster|webhost[a-z]*|hosted|cloud|clouds|[a-z0-9]+cloud"
    r"|data ?cent(er|re)s?|rechenzentrum|server(s|plan|central|farm)?|vps|vds|vserver|colo|colocation"
    r"|colocate|bare ?metal|iaas"
    # Large hosters whose names hold none of these words.
    r"|ovh|hetzner|linode|digitalocean|vultr|the constant company|contabo|leaseweb|scaleway|hivelocity"
    r"|psychz|netcup|upcloud|datacamp|m247|gcore|g-core labs|kamatera|zenlayer|rackspace|iomart"
    r"|hangzhou alibaba|alibaba \(us|aliyun|tencent computer|softlayer|choopa|host[a-z]{3,}"
    r")\b"
)
# Names with a hosting word that are something else: places, hospitality, churches, food service.
_NOT_HOSTING = re.compile(r"\b((st\.?|saint|red) cloud|cloud county|host(el|ess|eria)[a-z]*|host hotels)\b")


def kind_of_name(name: str | None) -> str:
    """A term of ``NETWORK_KIND`` for the name of an autonomous system; never ``vpn``.

    Education goes before hosting: a university's data centre belongs to the university.
    """
    if not name:
        return "unknown"
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    if _EDUCATION.search(plain) and not _NOT_EDUCATION.search(plain):
        return "education"
    if _HOSTING.search(plain) and not _NOT_HOSTING.search(plain):
        return "hosting"
    return "unknown"
