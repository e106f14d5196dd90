"""Conversion by the path that the README names."""

from hrnet_tf.conversion.convert import check_converted, convert

__all__ = ["check_converted", "convert"]
