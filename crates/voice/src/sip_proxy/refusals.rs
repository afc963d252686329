//! What the log says of senders that are refused: with it an operator finds the carrier whose calls do not come in.

use std::net::IpAddr;

use sip::proxy::{Lacking, Trunk};
use tracing::{info, warn};

/// A request was refused that may have come by a trunk.
pub(super) fn log_unproved(from: IpAddr, trunk: &Trunk, lacks: Lacking, shown: &[Box<str>]) {
    let (tenant, name, wanted) = (&trunk.tenant, &trunk.name, trunk.certificate_names.join(", "));
    let shown = shown.join(", ");
    match lacks {
        Lacking::Certificate => {
            warn!(%from, %tenant, trunk = name, wanted, "a request from a trunk's address is refused: it came without a certificate that one of `sip-proxy.client_authorities` vouches for");
        }
        Lacking::OtherCertificate => {
            warn!(%from, %tenant, trunk = name, shown, wanted, "a request from a trunk's address is refused: its certificate has none of the trunk's `certificate_names`");
        }
        Lacking::Address => {
            warn!(%from, %tenant, trunk = name, shown, "a request with a trunk's certificate is refused: `allow` has not its address");
        }
    }
}

/// Who calls by a trunk has given a wrong password. After some, the next ones are not checked for a while.
pub(super) fn log_wrong_password(from: IpAddr, trunk: &Trunk) {
    info!(%from, tenant = %trunk.tenant, trunk = trunk.name, "wrong password");
}

/// A request was refused that is neither a phone's nor a trunk's: on the Internet most of these are attacks.
pub(super) fn log_unknown(from: IpAddr, shown: &[Box<str>]) {
    match shown {
        [] => info!(%from, "a request from an unknown source is refused: no trunk has its address in `allow`"),
        names => {
            let shown = names.join(", ");
            info!(%from, shown, "a request from an unknown source is refused: no trunk has its address in `allow`, or a name of its certificate in `certificate_names`");
        }
    }
}
