"""What class maps hold, wherever they are read: files, networks, metrics."""

UNLABELLED = 255  # the number of pixels whose class is not known; classes are the numbers below
