//! Orders findings into causes and consequences, gives every edge its status, depth and cause: the only place that decides. Pure.

pub mod depth;
