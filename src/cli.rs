//! The command line: clap derive types, converted once into plain options. IO.
