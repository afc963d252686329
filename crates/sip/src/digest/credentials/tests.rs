use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::limits::LIST_MAX;

const PLAIN: &str = "username=\"7101\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"0\"";

#[test]
fn counts_at_the_ends_of_their_range() {
    for (nc, count) in [
        ("00000000", Some(0)),
        ("00000001", Some(1)),
        ("1", Some(1)),
        ("FFFFFFFF", Some(u32::MAX)),
        ("\"ffffffff\"", Some(u32::MAX)),
        ("000000001", None),
        ("100000000", None),
        ("ffffffffffffffffffffffff", None),
        ("", None),
        ("-1", None),
        ("+0000001", None),
        ("0x1", None),
        (" ", None),
        ("g", None),
        ("\u{ff11}", None),
    ] {
        let text = format!("Digest {PLAIN}, qop=auth, cnonce=\"c\", nc={nc}");
        assert_eq!(Credentials::parse(&text).ok().map(|given| given.nc), count.map(Some), "{nc}");
    }
}

#[test]
fn what_is_needed_is_needed_and_the_first_of_each_counts() {
    for name in ["username", "realm", "nonce", "uri", "response"] {
        assert!(Credentials::parse(&format!("Digest {}", PLAIN.replace(name, "other"))).is_err(), "{name}");
    }
    for wrong in
        ["algorithm=SHA3", "qop=auth-int, cnonce=c, nc=00000001", "qop=auth, nc=00000001", "qop=auth, cnonce=c"]
    {
        assert!(Credentials::parse(&format!("Digest {PLAIN}, {wrong}")).is_err(), "{wrong}");
    }
    for scheme in ["Basic", "", "Digest,", "D\u{ef}gest"] {
        assert!(Credentials::parse(&format!("{scheme} {PLAIN}")).is_err(), "{scheme}");
    }
    let twice = format!("Digest {PLAIN}, username=\"7102\", USERNAME=\"7103\", qop=\"\"");
    let given = Credentials::parse(&twice).unwrap();
    assert_eq!((&*given.username, given.nc, given.algorithm), ("7101", None, Algorithm::Md5));
}

#[test]
fn parameters_are_bounded() {
    let with = |more: usize| {
        let more: String = (0..more).map(|n| format!(", x{n}=\"y\"")).collect();
        Credentials::parse(&format!("Digest {PLAIN}{more}")).map(|_| ())
    };
    assert_eq!((with(LIST_MAX - 5), with(LIST_MAX - 4)), (Ok(()), Err(Rule::TooMany)));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", "[\"\\\\,=;%a]{0,12}", "\\PC{0,20}", Just("x".repeat(16_000))]
}

proptest! {
    #[test]
    fn credentials_print_as_what_they_parse(
        texts in vec(text(), 5), cnonce in text(), opaque in option::of(text()), nc in option::of(any::<u32>()),
        algorithm in 0..6_usize
    ) {
        let [username, realm, nonce, uri, response] = <[String; 5]>::try_from(texts).unwrap();
        let algorithm = Algorithm::ALL[algorithm];
        let given = Credentials {
            username: username.into(),
            realm: realm.into(),
            nonce: nonce.into(),
            uri: uri.into(),
            response: response.into(),
            algorithm,
            cnonce: Some(cnonce.into()),
            nc,
            opaque: opaque.map(Into::into),
        };
        let text = given.to_string();
        prop_assert_eq!(Credentials::parse(&text), Ok(given));
    }

    #[test]
    fn any_parameters_are_read_or_refused(
        params in vec(("(username|realm|nonce|uri|response|algorithm|qop|nc|cnonce|opaque|x)", " ?=? ?", text()), 0..30),
        quoted in any::<bool>(), between in "[, ;]{0,3}"
    ) {
        let param = |(name, equals, value): &(String, String, String)| match quoted {
            true => format!("{name}{equals}\"{value}\""),
            false => format!("{name}{equals}{value}"),
        };
        let text = format!("Digest {}", params.iter().map(param).collect::<Vec<_>>().join(&between));
        if let Ok(given) = Credentials::parse(&text) {
            let again = given.to_string();
            prop_assert_eq!(Credentials::parse(&again).map(|given| given.to_string()), Ok(again.clone()));
            let _ = crate::digest::verify(&given, "REGISTER", crate::digest::Secret::Password("x"));
        }
    }
}
