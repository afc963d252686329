use super::*;

const RFC_7616_NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
const RFC_7616_CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

fn challenge(algorithm: Algorithm) -> Challenge {
    Challenge {
        realm: "http-auth@example.org".into(),
        nonce: RFC_7616_NONCE.into(),
        opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".into()),
        algorithm,
        qop_auth: true,
        stale: false,
    }
}

#[test]
fn responses_are_those_of_rfc_7616() {
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let c =
            respond(&challenge(algorithm), "Mufasa", "Circle of Life", "GET", "/dir/index.html", RFC_7616_CNONCE, 1);
        assert_eq!(c.response, expected);
        let text = c.to_string();
        let parsed = Credentials::parse(&text).unwrap();
        assert!(verify(&parsed, "GET", Secret::Password("Circle of Life")));
        assert!(!verify(&parsed, "PUT", Secret::Password("Circle of Life")));
        let ha1 = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert!(verify(&parsed, "GET", Secret::Ha1(&ha1)));
    }
}

#[test]
fn response_without_qop_is_that_of_rfc_2069() {
    let mut old = challenge(Algorithm::Md5);
    old.realm = "testrealm@host.com".into();
    old.nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093".into();
    old.qop_auth = false;
    let c = respond(&old, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "", 1);
    assert_eq!(c.response, "670fd8c2df070c60b045671b8b24ff02");
    assert_eq!(c.nc, None);
}

#[test]
fn every_algorithm_answers_its_own_challenge() {
    for algorithm in Algorithm::ALL {
        for qop_auth in [true, false] {
            let challenge = Challenge { qop_auth, ..challenge(algorithm) };
            let parsed = Challenge::parse(&challenge.to_string()).unwrap();
            assert_eq!(parsed, challenge);
            let text = respond(&parsed, "u \"x\"", "p:w", "REGISTER", "sip:example.org", "cn", 7).to_string();
            let credentials = Credentials::parse(&text).unwrap();
            assert_eq!(credentials.username, "u \"x\"");
            assert!(verify(&credentials, "REGISTER", Secret::Password("p:w")), "{text}");
            assert!(!verify(&credentials, "REGISTER", Secret::Password("pw")));
        }
    }
}
