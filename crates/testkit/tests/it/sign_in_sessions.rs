//! What a person has open: sessions and sign-ins, how they end, and what a new password does to them.
