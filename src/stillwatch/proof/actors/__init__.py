"""Actors by name; a scenario is composed of them."""

from __future__ import annotations

from typing import Any

from stillwatch.proof.actors.base import Actor
from stillwatch.proof.actors.batch_processing import BatchProcessing
from stillwatch.proof.actors.benchmarking import Benchmarking
from stillwatch.proof.actors.campaign import Campaign
from stillwatch.proof.actors.education import Education
from stillwatch.proof.actors.enterprise import Enterprise
from stillwatch.proof.actors.hackathon import Hackathon
from stillwatch.proof.actors.individuals import Individuals
from stillwatch.proof.actors.licensed_generation import LicensedGeneration
from stillwatch.proof.actors.proxy_network import ProxyNetwork
from stillwatch.proof.actors.reseller import Reseller
from stillwatch.proof.actors.shared_application import SharedApplication
from stillwatch.proof.actors.shared_network import SharedNetwork

ACTORS: dict[str, type[Actor[Any]]] = {
    "batch_processing": BatchProcessing,
    "benchmarking": Benchmarking,
    "campaign": Campaign,
    "education": Education,
    "enterprise": Enterprise,
    "hackathon": Hackathon,
    "individuals": Individuals,
    "licensed_generation": LicensedGeneration,
    "proxy_network": ProxyNetwork,
    "reseller": Reseller,
    "shared_application": SharedApplication,
    "shared_network": SharedNetwork,
}

__all__ = ["ACTORS", "Actor"]
