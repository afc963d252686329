//! Where a request came from that a role passes on: the role says it in metadata, and whoever is asked believes certain roles alone.

use std::net::IpAddr;

use runtime::Directory;
use runtime::server::Accepted;
use tonic::metadata::MetadataValue;

use crate::source_block;

/// The metadata with the address.
const SOURCE: &str = "trunkline-source";
/// The metadata with the way.
const WAY: &str = "trunkline-way";

/// From where a request came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The address; of IPv6 the network of a host (/64).
    pub source: Option<IpAddr>,
    /// By which way, in a word that both roles know.
    pub way: Option<String>,
}

/// Says in a request that is passed on where it came from.
pub fn coming_from<T>(mut request: tonic::Request<T>, origin: &RequestOrigin) -> tonic::Request<T> {
    let said = [(SOURCE, origin.source.map(|source| source.to_string())), (WAY, origin.way.clone())];
    for (name, value) in said {
        if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok()) {
            request.metadata_mut().insert(name, value);
        }
    }
    request
}

/// Where a request came from: as the role says that has sent it, if it is one of `believed`; else from the other end itself.
pub fn origin<T>(request: &tonic::Request<T>, directory: &Directory, believed: &[&str]) -> RequestOrigin {
    let Some(peer) = request.extensions().get::<Accepted>().map(|accepted| accepted.peer.ip()) else {
        return RequestOrigin::default();
    };
    if !directory.role_at(peer).is_some_and(|role| believed.contains(&role)) {
        return RequestOrigin { source: Some(source_block::block(peer)), way: None };
    }
    let told = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok());
    RequestOrigin {
        source: told(SOURCE).and_then(|source| source.parse().ok()).map(source_block::block),
        way: told(WAY).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use runtime::RoleSpec;

    use super::*;

    static SETUP: RoleSpec = RoleSpec::bare("agent-setup", 45);
    static PULSE: RoleSpec = RoleSpec::bare("pulse", 30);

    #[test]
    fn a_role_that_passes_requests_on_is_believed_and_nobody_else_is() {
        let directory = Directory::of_instance(2, &[&SETUP, &PULSE], |_| 1);
        let said = RequestOrigin { source: "2001:db8:1:2:3::4".parse().ok(), way: Some("page".to_owned()) };
        let seen_from = |peer: &str| {
            let mut request = coming_from(tonic::Request::new(()), &said);
            request.extensions_mut().insert(Accepted::new(format!("{peer}:4000").parse().unwrap()));
            origin(&request, &directory, &["agent-setup"])
        };
        let believed = RequestOrigin { source: "2001:db8:1:2::".parse().ok(), way: Some("page".to_owned()) };
        assert_eq!(seen_from("127.2.45.1"), believed);
        for other in ["127.2.30.1", "192.0.2.7"] {
            assert_eq!(seen_from(other), RequestOrigin { source: other.parse().ok(), way: None }, "{other}");
        }
        let untold = coming_from(tonic::Request::new(()), &RequestOrigin::default());
        assert_eq!(origin(&untold, &directory, &["agent-setup"]), RequestOrigin::default());
    }
}
