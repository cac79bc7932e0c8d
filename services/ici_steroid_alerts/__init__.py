"""Drug, steroid and radiation combinations that need attention now."""
