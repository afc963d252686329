//! The call model: legs, parties, treatments, agent states, dial plan rules. No I/O.
