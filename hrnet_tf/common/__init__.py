"""What every part stands on: errors, files, words, settings; nothing of images."""
