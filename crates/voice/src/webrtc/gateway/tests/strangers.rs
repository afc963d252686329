//! Who has proved nothing: how much is kept of it, and that registered phones do not notice.

use super::*;

impl Lab {
    /// `flows` WebSockets from `first` on, each with `each` requests.
    fn floods(&mut self, method: &str, first: u64, flows: u64, each: u32) {
        for number in first..first + flows {
            self.opens(number, None);
            for cseq in 0..each {
                self.by(number, of_phone(method, u32::try_from(number).unwrap() * 1_000 + cseq, ""));
            }
        }
    }
}

#[test]
fn a_stranger_that_comes_again_and_again_leaves_nothing_behind() {
    let mut lab = Lab::new();
    for number in 1..6 {
        lab.floods("REGISTER", number, 1, 50);
        assert_eq!(lab.gateway.exchanges.of_source(CLIENT.parse().unwrap()), 32, "one flow has so many");
        lab.closes(number);
        assert_eq!((lab.gateway.exchanges.iter().count(), lab.gateway.layer.len().0), (0, 0));
    }
    // It may ring somewhere, so it is taken back; until then it counts.
    lab.floods("INVITE", 6, 1, 1);
    lab.closes(6);
    assert_eq!(lab.gateway.exchanges.of_source(CLIENT.parse().unwrap()), 1);
    lab.pass(Duration::from_secs(33));
    assert_eq!(lab.gateway.exchanges.of_source(CLIENT.parse().unwrap()), 0);
}

#[test]
fn a_stranger_uses_up_its_own_rate_and_not_that_of_a_registered_phone() {
    let mut lab = Lab::new();
    lab.registered(7);
    lab.to_phone.clear();
    lab.floods("REGISTER", 100, 20, 50);
    let passed = u32::try_from(lab.to_proxy.len()).unwrap();
    assert!(passed <= REQUESTS_OF_SOURCE_PER_S && passed > REQUESTS_OF_SOURCE_PER_S / 2, "{passed}");
    let told = std::mem::take(&mut lab.to_phone);
    assert!(told.iter().all(|(_, answer)| answer.status() == Some(StatusCode::SERVICE_UNAVAILABLE)));
    for number in 100..120 {
        let of_flow = told.iter().filter(|(to, _)| *to == socket(number)).count();
        assert!(of_flow > 0 && of_flow <= 32, "{number} is told {of_flow} times");
    }
    // Nobody repeats what is lost here: a page that asks once among them hears that it is to come again.
    lab.opens(8, None);
    lab.by(8, of_phone("REGISTER", 1, ""));
    let (to, refused) = lab.told();
    assert_eq!((to, refused.status()), (socket(8), Some(StatusCode::SERVICE_UNAVAILABLE)));
    assert!(refused.header(&HeaderName::RetryAfter).is_some());
    lab.to_proxy.clear();
    lab.by(7, of_phone("INVITE", 1, ""));
    assert_eq!(lab.asked().method(), sip::Method::Invite, "of the same address");
}

#[test]
fn of_one_source_so_many_requests_are_kept_and_no_more() {
    let mut lab = Lab::new();
    for turn in 0..6 {
        lab.floods("REGISTER", 100 + turn * 10, 10, 30);
        lab.pass(Duration::from_secs(1));
    }
    assert_eq!(lab.gateway.exchanges.of_source(CLIENT.parse().unwrap()), 1_024);
    lab.to_phone.clear();
    lab.opens(7, Some(holder("tab")));
    lab.to_proxy.clear();
    lab.by(7, of_phone("REGISTER", 1, ""));
    assert_eq!(lab.asked().method(), sip::Method::Register, "a phone with a ticket is none of them");
}

#[test]
fn what_has_its_answer_is_kept_against_nobody() {
    let mut lab = Lab::new();
    for (number, first) in [(101, 100), (102, 200), (103, 300)] {
        lab.opens(number, None);
        for cseq in first..first + 60 {
            lab.by(number, of_phone("REGISTER", cseq, ""));
            let register = lab.asked();
            lab.hear_proxy(&Message::response_to(&register, StatusCode::UNAUTHORIZED).to_tag("p").build());
            assert_eq!(lab.told().1.status(), Some(StatusCode::UNAUTHORIZED), "{number} {cseq}");
        }
        assert_eq!(lab.gateway.exchanges.of_source(CLIENT.parse().unwrap()), 0);
    }
}

#[test]
fn a_message_that_is_too_long_is_told_so() {
    let mut lab = Lab::new();
    lab.registered(7);
    let long = format!("X-Long: {}\n", "x".repeat(8_000));
    lab.by(7, of_phone("INVITE", 1, &long));
    lab.asked();
    lab.by(7, of_phone("INVITE", 2, &long.repeat(3)));
    assert!(lab.to_proxy.is_empty());
    assert_eq!(lab.told().1.status(), Some(StatusCode::MESSAGE_TOO_LARGE));
}

#[test]
fn refused_invites_that_nobody_acknowledges_are_few() {
    let mut lab = Lab::new();
    lab.registered(7);
    for cseq in 1..200 {
        let mut invite = of_phone("INVITE", cseq, "");
        invite.set(&HeaderName::MaxForwards, 0);
        lab.by(7, invite);
        assert_eq!(lab.told().1.status(), Some(StatusCode::TOO_MANY_HOPS));
    }
    assert_eq!(lab.gateway.layer.len().1, 8);
    let invite = String::from_utf8(of_phone("INVITE", 199, "").to_bytes().to_vec()).unwrap();
    lab.by(7, message(&invite.replace("\r\n", "\n").replace("INVITE sip", "ACK sip").replace("199 INVITE", "199 ACK")));
    assert!(lab.to_proxy.is_empty(), "it is for us alone");
    assert_eq!(lab.gateway.layer.len().1, 7);
    lab.opens(8, None);
    for cseq in 1_000..1_050 {
        lab.by(8, of_phone("INVITE", cseq, ""));
        let invite = lab.asked();
        lab.hear_proxy(&Message::response_to(&invite, StatusCode::PROXY_AUTHENTICATION_REQUIRED).to_tag("p").build());
        assert_eq!(lab.asked().method(), sip::Method::Ack);
        assert_eq!(lab.told().1.status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    }
    assert_eq!(lab.gateway.layer.len().1, 8, "who has proved nothing has one");
    lab.closes(8);
    assert_eq!(lab.gateway.layer.len().1, 7);
}

#[test]
fn what_is_no_message_counts_and_beyond_the_rate_its_web_socket_is_closed() {
    let mut lab = Lab::new();
    lab.registered(7);
    lab.opens(8, None);
    lab.others.clear();
    let error = Message::parse(Bytes::from_static(b"nonsense\r\n\r\n")).unwrap_err();
    let nonsense = |lab: &mut Lab, number| {
        lab.gateway.handle_malformed(socket(number), &error, lab.now);
        lab.drain();
    };
    nonsense(&mut lab, 7);
    assert!(lab.others.is_empty(), "one is none too many");
    for _ in 0..2 * REQUESTS_OF_SOURCE_PER_S {
        nonsense(&mut lab, 7);
    }
    assert_eq!(lab.others, [GatewayOutput::Close(socket(7))]);
    assert_eq!(lab.gateway.sizes(), (2, 1), "its phone may come back");
    nonsense(&mut lab, 8);
    assert_eq!(lab.gateway.sizes(), (1, 1), "it is of the same source");
}

#[test]
fn answers_of_a_stranger_use_up_its_rate() {
    let mut lab = Lab::new();
    lab.opens(7, None);
    for _ in 0..2 * REQUESTS_OF_SOURCE_PER_S {
        lab.by(7, Message::response_to(&of_phone("INVITE", 1, ""), StatusCode::OK).to_tag("x").build());
    }
    assert!(lab.to_phone.is_empty() && lab.to_proxy.is_empty());
    lab.opens(8, None);
    lab.by(8, of_phone("REGISTER", 1, ""));
    assert_eq!(lab.told().1.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
}

#[test]
fn a_ticket_proves_whose_a_web_socket_is() {
    let mut lab = Lab::new();
    lab.opens(7, None);
    assert!(lab.others.is_empty());
    lab.opens(8, Some(holder("tab")));
    assert!(lab.others.iter().any(|output| matches!(output, GatewayOutput::Proved(of, _) if *of == socket(8))));
}
