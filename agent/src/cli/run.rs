//! `prony run`: the agent.
