//! The agent that runs in the Pod: walks the ladder DNS → Service address → each endpoint → protocol → login. It never sees the graph.

pub mod wire;
