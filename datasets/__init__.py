"""Small data sets made by others, each in a folder with its licence and a data card; read through ``causaldisc.sources``."""
