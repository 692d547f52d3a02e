//! Data tables, embedded from `checks/*.yaml`: finding texts and severities; image/port → protocol, default port, health path. Pure.
