"""Image files, boxes, crops, pictures: from pixels to pixels."""
