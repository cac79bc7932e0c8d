"""Who results go to: the EHR's FHIR server and a subscriber, each on a host of its own."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from pathlib import Path

from joserfc.jwk import ECKey

from chaos.ehr_server import EhrServer
from chaos.network import Network
from chaos.subscribing import SubscriberEndpoint
from ehr_ingestion.write_back.writing import ORDER

HOSTS = ("ehr_server", "subscriber")
PORT = 8080


class Others:
    """They run from the beginning; `settings` are those of the service that writes to them."""

    def __init__(self, network: Network, directory: Path, seed: int) -> None:
        with network.at("ehr_server"):
            self.ehr = EhrServer(network.address("ehr_server"), PORT, seed)
        with network.at("subscriber"):
            self.subscriber = SubscriberEndpoint(network.address("subscriber"), PORT, seed + 1)
        key, seal = directory / "ehr-client.json", directory / "subscriber.key"
        key.write_text(json.dumps(ECKey.generate_key("P-384", {"kid": "us"}).as_dict(private=True)))
        seal.write_text(secrets.token_hex(32))
        self.settings = {
            "ISODOSE_PUBLIC_URL": "https://isodose.example.org",
            "ISODOSE_EHR_FHIR_URL": f"{self.ehr.url}/fhir",
            "ISODOSE_EHR_TOKEN_URL": f"{self.ehr.url}/token",
            "ISODOSE_EHR_CLIENT_ID": "isodose",
            "ISODOSE_EHR_KEY_FILE": str(key),
            "ISODOSE_EHR_REQUESTS_PER_MINUTE": "0",
            "ISODOSE_WRITE_BACK_TYPES": ",".join(ORDER),
            "ISODOSE_SUBSCRIBER_ORIGINS": self.subscriber.url,
            "ISODOSE_SUBSCRIBER_KEY_FILE": str(seal),
        }

    def close(self) -> None:
        self.ehr.close()
        self.subscriber.close()

    def moods(self) -> Counter[str]:
        return self.ehr.moods + self.subscriber.moods
