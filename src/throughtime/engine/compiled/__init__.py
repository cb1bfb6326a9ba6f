"""The compiled engine: machine code for this processor, made from the cells' own equations."""
