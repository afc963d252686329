//! What the log says of senders that are refused: with it an operator finds the carrier whose calls do not come in.

use std::net::IpAddr;
use std::sync::Arc;

use sip::proxy::{Contest, Lacking, Trunk};
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

/// A call was refused that may be for several tenants.
pub(super) fn log_contested(from: IpAddr, why: Contest, trunks: &[Arc<Trunk>]) {
    let of: Vec<String> = trunks.iter().map(|trunk| format!("{} of tenant {}", trunk.name, trunk.tenant)).collect();
    let trunks = of.join(", ");
    match why {
        Contest::Unregistered => {
            warn!(%from, trunks, "a call to an account that trunks of several tenants name is refused: none of them is registered through this sip-proxy. Leave the `user` out of all but one, or give each sip-proxy an advertised address of its own, so that the carrier calls the one through which the account is registered");
        }
        Contest::Registered => {
            warn!(%from, trunks, "a call to an account that trunks of several tenants have registered is refused: leave the `user` out of all but one");
        }
        Contest::Number => {
            warn!(%from, trunks, "a call is refused: its certificate is that of one tenant's trunk, its address that of another's, and the number that is called is in `numbers` of none or of several. Leave the carrier's address or name out of the tenant that it is not for, or write the number into `numbers` of the one that it is for");
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
