//! What a request brings: where it comes from (`source`), its parameters and cookies, whether a page of ours has sent it (`origin`), who is
//! signed in who sends it (`session`), and which pages of others may read the answer (`cors`). Nothing here knows which endpoint is asked.

pub(super) mod cookies;
pub(super) mod cors;
pub(super) mod origin;
pub(super) mod parameters;
pub(super) mod session;
pub(super) mod source;
