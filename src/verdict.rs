//! Orders findings into causes and consequences, gives every edge its cause, and decides pass, fail or unknown. Pure; the only place that decides.
