"""UT-Zappos50K as downloaded, with its own split or the released CSN triplets."""
