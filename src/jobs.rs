//! Creates probe Jobs, follows their logs, classifies what keeps them from running, always deletes them. IO.
