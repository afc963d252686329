//! Who asks, and may they sign in: the decisions of an authorization server (OAuth 2.1, OpenID Connect), without I/O.
//!
//! Time and random bytes come in, plain structs and decisions go out. The role `auth` keeps what is decided here and speaks HTTP.

pub mod api_key;
pub mod authorization;
mod base32;
pub mod browser_phone_ticket;
pub mod built_in_client;
pub mod client;
pub mod client_assertion;
pub mod front_channel;
pub mod grant;
pub mod lockout;
pub mod login_name;
pub mod oauth_error;
pub mod passkey;
pub mod password;
pub mod percent;
pub mod pin;
pub mod pkce;
pub mod provider;
pub mod public_key;
pub mod recovery_code;
pub mod redirect_uri;
pub mod scope;
pub mod second_factor;
pub mod secret;
pub mod session_cookie;
pub mod totp;
