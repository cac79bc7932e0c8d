"""Others are told of new results: Subscriptions of R4 and of the R5 backport, taken, judged and delivered."""
