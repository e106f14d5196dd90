"""`python -m hrnet_tf` is the command `hrnet-tf`."""

from hrnet_tf.cli import main

main()
