"""What an export is asked for: of which patients, which types, and since when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode

import orjson

NDJSON = "application/fhir+ndjson"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """`group` is the id of a Group, for its members; without one, `level` says whom."""

    level: Literal["patients", "system"] = "patients"
    group: str = ""
    types: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()

    def of_patients_alone(self) -> ExportRequest:
        """The same without drugs by themselves, which some servers export with everything alone."""
        return replace(self, types=tuple(one for one in self.types if one != "Medication"))

    def feed(self, base: str) -> str:
        """The same text for every run that asks for the same, so that one run goes on where another ended."""
        pairs = [("_type", ",".join(sorted(self.types))), ("_typeFilter", ",".join(sorted(self.filters)))]
        return f"{self.address(base)}?{urlencode([pair for pair in pairs if pair[1]])}"

    def address(self, base: str) -> str:
        where = f"/Group/{self.group}" if self.group else "/Patient" if self.level == "patients" else ""
        return f"{base}{where}/$export"

    def query(self, since: str | None) -> str:
        """For a kick-off by GET."""
        pairs = [("_outputFormat", NDJSON)]
        pairs += [("_since", since)] if since else []
        pairs += [("_type", ",".join(self.types))] if self.types else []
        pairs += [("_typeFilter", ",".join(self.filters))] if self.filters else []
        return urlencode(pairs)

    def parameters(self, since: str | None) -> bytes:
        """For a kick-off by POST, the only one of version 4: each value by itself."""
        given = [{"name": "_outputFormat", "valueString": NDJSON}]
        given += [{"name": "_since", "valueInstant": since}] if since else []
        given += [{"name": "_type", "valueString": one} for one in self.types]
        given += [{"name": "_typeFilter", "valueString": one} for one in self.filters]
        return orjson.dumps({"resourceType": "Parameters", "parameter": given})
