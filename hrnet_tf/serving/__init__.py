"""What runs inside exported graphs: from batches of encoded images to answers."""
