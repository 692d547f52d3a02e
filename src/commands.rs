//! One file per subcommand, each a readable list of stage calls. IO.
