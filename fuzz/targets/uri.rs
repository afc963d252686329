//! URIs, addresses and Vias: taken apart without panic; each equals itself and prints as something that parses the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::uri::escape;
use sip::{NameAddr, OwnedUri, Uri, Via};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A line of the input each, the first two also against one another.
    let mut lines = text.lines();
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    uri(first);
    if let (Ok(a), Ok(b)) = (Uri::parse(first), Uri::parse(second)) {
        assert_eq!(a.equivalent(&b), b.equivalent(&a));
    }
    if let Ok(address) = NameAddr::parse(first) {
        let printed = address.to_string();
        let again = NameAddr::parse(&printed).expect("what it printed");
        assert_eq!(again.raw_uri(), address.raw_uri());
        assert_eq!(again.tag(), address.tag());
        let _ = (address.display_name(), address.q(), address.expires());
    }
    if let Ok(via) = Via::parse(first) {
        let printed = via.to_string();
        let again = Via::parse(&printed).expect("what it printed");
        assert_eq!(again, via);
        let _ = (via.rport(), via.received(), via.branch());
    }
});

fn uri(text: &str) {
    let _ = escape::unescape(text);
    let user = format!("sip:{}@example.com", escape::escape_user(text));
    if !text.is_empty() {
        let made = Uri::parse(&user).expect("an escaped user part");
        assert_eq!(escape::unescape(made.user().unwrap_or_default()), text);
    }
    let Ok(uri) = Uri::parse(text) else { return };
    assert!(uri.equivalent(&uri));
    assert_eq!(uri.to_string(), text);
    let owned = OwnedUri::parse(text).expect("parsed already");
    assert_eq!(owned.borrow(), uri);
    for param in uri.params() {
        assert!(uri.params().contains(param.name));
    }
}
