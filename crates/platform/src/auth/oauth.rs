//! The endpoints of OAuth 2.1 and OpenID Connect: a browser comes by `authorize`, a device by `device_authorization`, and then the person
//! by `device_page`; `token` gives tokens, which `issue` makes, for the APIs that `resource` says; `introspect`, `revoke` and `userinfo`
//! take them; `discovery` tells of all this and of the keys, which `key_rotation` renews. API keys, which are exchanged for tokens, are
//! looked after in `api_keys`.

pub(super) mod api_keys;
pub(super) mod authorize;
pub(super) mod device_authorization;
pub(super) mod device_page;
pub(super) mod discovery;
pub(super) mod introspect;
pub(super) mod issue;
pub(super) mod key_rotation;
mod resource;
pub(super) mod revoke;
pub(super) mod role_keys;
pub(super) mod token;
pub(super) mod userinfo;
