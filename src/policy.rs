//! NetworkPolicy semantics: may this Pod reach that one? Pure; used by `plan` and `diagnose`.
