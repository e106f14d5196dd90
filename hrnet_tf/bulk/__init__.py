"""Prediction on very many images: parts that are whole or missing, by Ray Data."""
