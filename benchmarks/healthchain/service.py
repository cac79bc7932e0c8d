"""healthchain's CDS service as its documentation builds one: it reads the prefetch, the card is constant.

Runs in an environment of its own (`benchmarks.peers`), for its pins are not ours.
"""

from __future__ import annotations

from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.io import CdsFhirAdapter
from healthchain.models import CDSRequest, CDSResponse
from healthchain.models.responses.cdsresponse import Card, IndicatorEnum, Source

adapter = CdsFhirAdapter()
hooks = CDSHooksService()


@hooks.hook("patient-view", id="read")
def read(request: CDSRequest) -> CDSResponse:
    document = adapter.parse(request)
    summary = f"{len(document.fhir.prefetch_resources)} keys read"
    return CDSResponse(
        cards=[Card(summary=summary, indicator=IndicatorEnum.info, source=Source(label="peer"))]
    )


app = HealthChainAPI()
app.register_service(hooks)
