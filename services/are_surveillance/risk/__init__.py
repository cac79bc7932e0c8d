"""The risk of an adverse radiation effect: factors and estimates, and what they say of one lesion."""
