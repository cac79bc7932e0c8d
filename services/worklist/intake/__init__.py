"""The intake page: the Questionnaire of the record as a form that works without a script."""
