"""What a trained arm takes to store and to run: stored bytes, accuracy after storing, and seconds.

``forecast`` computes bytes and multiply-adds of an arm for any number of tasks, without weights. ``stored`` writes a
trained network and its index at a precision, reads them back, and measures what is left of the accuracy. ``seconds``
times them. May import ``trainables.trial`` and below; nothing inside ``trainables`` imports it.
"""
