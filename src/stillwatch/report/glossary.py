"""Words of a report that its readers may not know, each in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["GLOSSARY"]

GLOSSARY: Mapping[str, str] = {
    "exchange": "one request and its answer",
    "session": "an account's exchanges without a pause of half an hour",
    "task": "one conversation, or one distinct request outside any conversation",
    "linked": "sharing more rare traits than accounts of these logs usually do; not by itself a wrong",
    "member": "a linked account that took part in the group's own work",
    "accused": "a member of a detection that is at least as probably a member as not; a person decides what follows",
    "detection": "a group with q at most 0.01 that harvests with a probability of at least 90%",
    "harvesting": "asking for answers to train another model on; the verdict is called distillation",
    "q": "of all groups with such a score, the share that chance alone would make; made from decoys",
    "decoy": "these same logs with traits dealt to other accounts at random: groups in it are chance",
    "bits": "how rare a shared trait is: 10 bits is one account in a thousand; a score, no probability",
    "family of traits": "network, client, sampling, payment, identity or content: what tells the same counts once",
    "sampling": "the settings that a program sends with each request, such as temperature",
    "identity": "mail patterns, phone, device and sign-up",
    "client": "the program that sends the requests, as far as its headers and its encryption tell",
    "ties": "a family's evidence for the median member: 0% is none, 50% is 10 bits",
    "family of prompts": "requests that differ in names, numbers and slots alone, or nearly",
    "digest": "a keyed fingerprint that stands for a value; only this deployment's key makes the same one",
}
