"""What a figure says about its numbers, in one line: made from one record, for image files and the page alike."""
