"""What each option is called, which findings speak for and against it, and what would change its standing.

A code counts when its finding is met; `~code` when it is judged and not met.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    code: str
    title: str
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]
    change: str


POOR_STATUS = ("F1-status", "ELIG-bsc-poor-status")
PREGNANT = "SUP-SAFE-pregnancy"
"""Against anything that irradiates until it is settled."""
BEYOND_RADIOSURGERY = ("ELIG-wbrt-indications-cyberspace", "ELIG-limits-of-srs")
"""Leptomeningeal disease, tolerance exhausted: what treating single lesions does not reach or bear."""

ARGUMENTS = (
    Argument(
        "best-supportive-care",
        "Best supportive care",
        (*POOR_STATUS, "ELIG-limits-of-srs"),
        ("~F1-status",),
        "Performance status or life expectancy.",
    ),
    Argument(
        "srs",
        "Stereotactic radiosurgery in one fraction",
        (
            "F1-burden",
            "F1-upfront-srs",
            "ELIG-oligo-upfront-srs",
            "ELIG-srs-over-wbrt-cognition",
            "~F1-fraction",
            "F1-poly",
            "ELIG-poly-5-10-conditional",
            "ELIG-poly-jlgk-noninferior",
            "ELIG-poly-jlgk-long-term",
            "ELIG-citv-30-ml",
            "ELIG-sclc-srs-limited",
            "ELIG-postop-srs-vs-observation",
        ),
        (
            PREGNANT,
            *POOR_STATUS,
            *BEYOND_RADIOSURGERY,
            "ARE-DX-trigger",
            "F1-urgent",
            "F1-accessible",
            "F1-fraction",
            "ELIG-histology-exceptions",
            "ELIG-poly-over-10",
            "ELIG-poly-reasons-for-caution",
            "ELIG-poly-trajectory-review",
            "~ELIG-citv-30-ml",
            "ELIG-bmv-trial-threshold",
        ),
        "Number of metastases, a lesion to resect, size or closeness to an organ at risk, tumour type, "
        "leptomeningeal disease, radiosurgery that the lesion had: more of it is salvage.",
    ),
    Argument(
        "fsrs",
        "Fractionated stereotactic radiosurgery",
        (
            "F1-fraction",
            "DOSE-fsrs-large-or-oar",
            "DOSE-fsrs-practice-indications",
            "F1-upfront-srs",
            "ELIG-oligo-upfront-srs",
            "ELIG-poly-5-10-conditional",
            "ELIG-postop-srs-vs-observation",
        ),
        (
            PREGNANT,
            *POOR_STATUS,
            *BEYOND_RADIOSURGERY,
            "ARE-DX-trigger",
            "F1-urgent",
            "F1-accessible",
            "~F1-fraction",
            "ELIG-histology-exceptions",
            "ELIG-poly-over-10",
        ),
        "Size of the target, closeness to an organ at risk, number of metastases, leptomeningeal disease, "
        "radiosurgery that the lesion had: more of it is salvage.",
    ),
    Argument(
        "resection-then-postoperative-srs",
        "Resection, then postoperative SRS or FSRS",
        (
            "F1-urgent",
            "F1-accessible",
            "ELIG-surgery-then-postop-srs",
            "ELIG-postop-srs-vs-observation",
            "ELIG-postop-srs-vs-wbrt",
        ),
        (PREGNANT, *POOR_STATUS, "F1-upfront-srs", "ELIG-histology-exceptions", "F1-systemic-first"),
        "Whether a lesion is accessible, large, causing a deficit, or urgent, and whether tissue is wanted.",
    ),
    Argument(
        "neoadjuvant-srs-then-resection",
        "SRS, then resection",
        ("F1-accessible", "NEOADJ-candidate-profile", "TIME-neoadjuvant-not-urgent"),
        (PREGNANT, *POOR_STATUS, "F1-urgent", "~NEOADJ-candidate-profile", "ELIG-histology-exceptions"),
        "Urgency, need for immediate tissue, size and accessibility; results of the trials under way.",
    ),
    Argument(
        "biopsy",
        "Biopsy",
        ("ELIG-tissue-for-molecular-update", "ELIG-local-progression-workup", "ARE-DX-trigger"),
        POOR_STATUS,
        "Whether new tissue would change therapy, or tell progression from radiation effect.",
    ),
    Argument(
        "wbrt",
        "Whole-brain radiotherapy",
        (
            "ELIG-poly-over-10",
            "ELIG-poly-trajectory-review",
            "ELIG-wbrt-may-still-be-needed",
            "ELIG-wbrt-indications-cyberspace",
            "ELIG-bmv-trial-threshold",
        ),
        (
            PREGNANT,
            *POOR_STATUS,
            "ELIG-srs-over-wbrt-cognition",
            "ELIG-wbrt-use-ha-memantine",
            "ELIG-conformal-rt-cognitive-recovery",
            "ELIG-sclc-wbrt-pci-neurotoxic",
            "ELIG-postop-srs-vs-wbrt",
        ),
        "Number and velocity of metastases, leptomeningeal disease, tolerance left for SRS.",
    ),
    Argument(
        "ha-wbrt-memantine",
        "Hippocampal-avoiding WBRT with memantine",
        (
            "F1-poly",
            "ELIG-poly-over-10",
            "ELIG-poly-trajectory-review",
            "ELIG-wbrt-may-still-be-needed",
            "ELIG-wbrt-indications-cyberspace",
            "ELIG-wbrt-use-ha-memantine",
            "ELIG-bmv-trial-threshold",
        ),
        (
            PREGNANT,
            *POOR_STATUS,
            "ELIG-srs-over-wbrt-cognition",
            "ELIG-ha-wbrt-limits",
            "ELIG-sclc-wbrt-pci-neurotoxic",
        ),
        "Number and velocity of metastases, leptomeningeal disease, tolerance left for SRS.",
    ),
    Argument(
        "systemic-first",
        "Systemic therapy first, SRS for salvage",
        (
            "F1-size",
            "F1-systemic-first",
            "SYS-small-lesion-cutoffs",
            "SYS-melanoma-upfront-dual-ici",
            "SYS-nsclc-upfront-tki",
            "SYS-her2-upfront",
            "SYS-omit-local-not-general",
        ),
        (
            *POOR_STATUS,
            "F1-urgent",
            "~F1-size",
            "~F1-systemic-first",
            "SYS-other-histologies-not-enough",
            "~SYS-omit-local-not-general",
        ),
        "Size, symptoms, tumour type and molecular profile.",
    ),
    Argument(
        "srs-with-systemic",
        "SRS while systemic therapy goes on",
        ("F1-systemic", "DRUG-continue-systemic", "ELIG-cns-only-progression-srs-continue"),
        (PREGNANT, *POOR_STATUS, *BEYOND_RADIOSURGERY, "ARE-DX-trigger", "~F1-systemic", "ELIG-poly-over-10"),
        "Whether systemic therapy is under way, harms overall health, or needs a pause for a single drug.",
    ),
    Argument(
        "cns-downstaging",
        "Systemic downstaging, then judge SRS again",
        ("SYS-cns-downstaging",),
        (*POOR_STATUS, "~SYS-cns-downstaging"),
        "Whether WBRT would otherwise be needed, disease is stable and a CNS-active drug exists.",
    ),
    Argument(
        "ttfields-after-srs",
        "Tumour treating fields after SRS",
        ("ELIG-ttfields-nsclc",),
        (*POOR_STATUS, "~ELIG-ttfields-nsclc"),
        "Tumour type, number of metastases, and whether radiosurgery is planned or given.",
    ),
    Argument(
        "salvage-srs",
        "Salvage SRS",
        ("F1-follow", "ELIG-salvage-srs", "ELIG-local-progression-workup", "ELIG-distant-progression-board"),
        (PREGNANT, *POOR_STATUS, *BEYOND_RADIOSURGERY, "ARE-DX-trigger", "~F1-follow"),
        "Progression, exclusion of radiation effect, tolerance left.",
    ),
    Argument(
        "clinical-trial",
        "Clinical trial",
        (
            "ELIG-evidence-limited-groups",
            "ELIG-poly-over-10",
            "NEOADJ-candidate-profile",
            "F1-systemic-first",
            "TRIAL-sclc-1-10",
            "TRIAL-poly-ha-wbrt",
            "TRIAL-poly-conventional-wbrt",
            "TRIAL-fsrs-resected",
            "TRIAL-fsrs-intact",
            "TRIAL-neoadjuvant",
            "TRIAL-ici-srs",
            "TRIAL-egfr-upfront-srs",
            "TRIAL-alk-upfront-srs",
            "TRIAL-usz-strike",
            "TRIAL-bepcome-mb",
            "TRIAL-are-imaging",
            "TRIAL-are-treatment",
        ),
        POOR_STATUS,
        "Which trials are open, to be checked at the registry.",
    ),
)
"""In the order of the contract."""
