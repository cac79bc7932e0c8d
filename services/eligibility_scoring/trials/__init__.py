"""The trials and studies that the review names: what they ask of a patient, and which of them may fit one."""
